//! The latency of pages that read orders, in an old and in a fresh database.

use std::time::Instant;

use doorbuster::{db::dialect, model::StrategyKey};
use hyper::header;
use sea_orm::ConnectionTrait;

use crate::{
    Failure, buyers,
    client::{Call, Connection, Response},
    database::{Database, Postgres, connect_once},
    options::Options,
    orders::sides,
    program::{PASSWORD, Program},
    report::{Limit, Row, ratios},
    shop_pages,
    statistics::Spread,
};

/// Requests of each page per round, for each second of the options.
const REQUESTS_PER_SECOND: u32 = 30;
/// Requests that are not measured: the first ones fill the caches.
const WARM_UP_REQUESTS: u32 = 20;
/// Orders that each side places itself.
const ORDERS: u32 = 20;
/// The address with which an order is found.
const EMAIL: &str = "ann@example.org";
/// The measured pages, in the order of [`Side::calls`].
const PAGES: [&str; 3] = ["admin overview", "find an order", "order page"];

/// Measures the pages of both databases, then the shop's pages on the fresh one.
pub async fn measure(options: &Options, postgres: &Postgres) -> Result<Vec<Row>, Failure> {
    let old_database = postgres.old(options).await?;
    let fresh_database = postgres.fresh().await?;
    let mut old = Side::open(postgres, &old_database).await?;
    let mut fresh = Side::open(postgres, &fresh_database).await?;
    let mut rows = Vec::new();
    for (page, name) in PAGES.into_iter().enumerate() {
        let (of_old, of_fresh) = compare(options, &mut old, &mut fresh, page).await?;
        rows.push(Row::new(
            format!("{name}, old ÷ fresh"),
            Limit::AtMost(1.5),
            ratios(&of_old, &of_fresh),
        ));
        rows.push(Row::figure(format!("{name}, old, ms"), of_old));
        rows.push(Row::figure(format!("{name}, fresh, ms"), of_fresh));
    }
    old.program.stop().await?;
    rows.extend(shop_pages::measure(options, &fresh.program).await?);
    fresh.program.stop().await?;
    postgres.drop_database(&fresh_database).await?;
    Ok(rows)
}

/// Returns the median latency in milliseconds for each round, of the old and of the fresh side.
/// Their requests alternate.
async fn compare(
    options: &Options,
    old: &mut Side,
    fresh: &mut Side,
    page: usize,
) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    for _ in 0..WARM_UP_REQUESTS {
        old.request_ms(page).await?;
        fresh.request_ms(page).await?;
    }
    let (mut medians_of_old, mut medians_of_fresh) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (mut of_old, mut of_fresh) = (Vec::new(), Vec::new());
        for turn in 0..options.seconds * REQUESTS_PER_SECOND {
            for is_old in sides(turn) {
                if is_old {
                    of_old.push(old.request_ms(page).await?);
                } else {
                    of_fresh.push(fresh.request_ms(page).await?);
                }
            }
        }
        medians_of_old.push(median(of_old)?);
        medians_of_fresh.push(median(of_fresh)?);
    }
    Ok((medians_of_old, medians_of_fresh))
}

fn median(values: Vec<f64>) -> Result<f64, Failure> {
    let spread = Spread::of(values).ok_or("no request was sent")?;
    Ok(spread.median)
}

/// A served database.
struct Side {
    program: Program,
    connection: Connection,
    calls: [Call; 3],
}

impl Side {
    async fn open(postgres: &Postgres, database: &Database) -> Result<Self, Failure> {
        place_orders(database).await?;
        postgres.settle(database).await?;
        let known = KnownOrders::read(database).await?;
        let program = Program::start(&database.url, &[]).await?;
        let mut connection = Connection::open(&program.address).await?;
        let cookie = sign_in(&mut connection).await?;
        let calls = [
            Call::get("/admin").with_header("cookie", cookie),
            Call::form(
                "/api/form/orders/find",
                &[("number", &known.number), ("email", known.email)],
            ),
            Call::get(format!("/orders/{}", known.oldest)),
        ];
        Ok(Self {
            program,
            connection,
            calls,
        })
    }

    /// Requests a page, and returns the time until its last byte in milliseconds.
    async fn request_ms(&mut self, page: usize) -> Result<f64, Failure> {
        let (call, start) = (&self.calls[page], Instant::now());
        let response = self.connection.send(call).await?;
        let elapsed = start.elapsed();
        if PAGES[page] != "find an order" {
            response.check_ok(call)?;
        } else if !leads_to_order(&response) {
            return Err(response.unexpected(call));
        }
        Ok(elapsed.as_secs_f64() * 1_000.0)
    }
}

/// Places a few orders, so that a fresh database has some too.
async fn place_orders(database: &Database) -> Result<(), Failure> {
    buyers::restock_hot_product(database).await?;
    let (db, shop) = buyers::open_shop(database).await?;
    for _ in 0..ORDERS {
        buyers::buy(&shop, StrategyKey::RowLock, buyers::HOT_PRODUCT).await?;
    }
    drop(shop);
    db.close().await;
    Ok(())
}

/// Returns whether the form to find an order redirects to one, and not back to itself.
fn leads_to_order(response: &Response) -> bool {
    let location = response.header(header::LOCATION);
    response.status.is_redirection()
        && location.contains("/orders/")
        && !location.contains("/orders/find")
}

/// Signs the administrator in, and returns the cookies of the session.
async fn sign_in(connection: &mut Connection) -> Result<String, Failure> {
    let call = Call::form("/api/form/admin/login", &[("password", PASSWORD)]);
    let response = connection.send(&call).await?;
    let cookies: Vec<&str> = response
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .collect();
    // A wrong password also redirects, but not to the admin page.
    if !response.header(header::LOCATION).ends_with("/admin") || cookies.is_empty() {
        return Err(response.unexpected(&call));
    }
    Ok(cookies.join("; "))
}

/// Orders whose pages are read.
struct KnownOrders {
    /// The number and the e-mail address of the shop's newest order, which is given one.
    number: String,
    email: &'static str,
    /// The public id of the oldest order.
    oldest: String,
}

impl KnownOrders {
    async fn read(database: &Database) -> Result<Self, Failure> {
        let connection = connect_once(&database.url).await?;
        // The orders of simulated buyers belong to their run, and the form finds none of them.
        let named = "UPDATE customer_order SET email = $1, email_folded = $1 \
                     WHERE id = (SELECT max(id) FROM customer_order WHERE lane_id IS NULL) RETURNING id";
        let newest = connection
            .query_one_raw(dialect::statement(named, [EMAIL.into()]))
            .await?
            .ok_or("the shop has no orders of its own")?;
        let first = "SELECT public_id::text AS public_id FROM customer_order ORDER BY id LIMIT 1";
        let oldest = connection
            .query_one_raw(dialect::statement(first, []))
            .await?
            .ok_or("there are no orders")?;
        connection.close().await?;
        let id: i64 = newest.try_get_by_index(0)?;
        Ok(Self {
            number: format!("DB-{id:06}"),
            email: EMAIL,
            oldest: oldest.try_get_by_index(0)?,
        })
    }
}
