//! Two server processes on one database, as behind a load balancer: a shopper, the administrator
//! and a simulation are served by whichever of them a request reaches, also when one is killed.

use std::time::Duration;

use doorbuster::http_client;
use nix::sys::signal::Signal;
use reqwest::{Client, redirect::Policy};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    server_process::{Server, folder, sold_by_verdict},
    support::TestShop,
};
use crate::{
    crash::{story::FILLED_IN, visitor::Visitor},
    support::{PATIENCE, check_audit_clean, within},
};

const POLL: Duration = Duration::from_millis(20);
/// A minute of arrivals.
const PLAN: &str = "target=lane&strategy=row-lock&buyers=1200&stock=1000&quantity=1&rounds=1\
                    &race_window_ms=0&seed=1&arrivals=open&rate_per_s=20";

/// Two servers, which share nothing but the database and the payment provider.
struct TwoServers {
    here: Server,
    there: Server,
    client: Client,
    _folder: TempDir,
}

impl TwoServers {
    async fn start(shop: &TestShop) -> Self {
        let folder = folder();
        let client = http_client::builder().redirect(Policy::none());
        let start = || Server::start(folder.path(), Some(shop.database.url()));
        let mut servers = Self {
            here: start(),
            there: start(),
            client: client.build().expect("a client"),
            _folder: folder,
        };
        servers.here.until_ready(&servers.client).await;
        servers.there.until_ready(&servers.client).await;
        servers
    }

    /// Signs in at the first server. Returns the cookie.
    async fn sign_in(&self) -> String {
        let password = "password=not+used+in+this+test";
        let answer = self.here.post(&self.client, "login", "", password).await;
        let cookie = answer.headers()["set-cookie"].to_str().expect("text");
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    /// Requests a page with a cookie. Returns its status and its text.
    async fn page(&self, server: &Server, cookie: &str, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}{path}", server.url));
        let request = request.header("Accept", "text/html");
        let answer = request.header("Cookie", cookie).send().await;
        let answer = answer.expect("the server answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("a page"))
    }

    /// Starts a simulation at the first server as soon as an earlier one has ended. Returns its id.
    async fn start_run(&self, cookie: &str) -> String {
        let started = async {
            loop {
                let answer = self.here.post(&self.client, "simulate", cookie, PLAN).await;
                let path = answer.headers()["location"].to_str().expect("text");
                let id = path.strip_prefix("/admin/simulations/");
                if let Some(id) = id.filter(|id| Uuid::try_parse(id).is_ok()) {
                    return id.to_owned();
                }
                tokio::time::sleep(POLL).await;
            }
        };
        within(PATIENCE, "the start of the run", started).await
    }
}

/// Waits until the query returns this value.
async fn until(shop: &TestShop, sql: &str, expected: &str) {
    let holds = async {
        while shop.by_hand.value::<String>(sql).await != expected {
            tokio::time::sleep(POLL).await;
        }
    };
    within(PATIENCE, "a state of the database", holds).await;
}

/// Waits until the newest run has sold something.
async fn until_selling(shop: &TestShop) {
    let sells = "SELECT CASE WHEN EXISTS (SELECT FROM customer_order o \
                 JOIN simulation_lane l ON l.id = o.lane_id JOIN simulation_run r ON r.id = l.run_id \
                 WHERE r.state = 'running') THEN 'yes' ELSE 'no' END";
    until(shop, sells, "yes").await;
}

/// Buys one unit of the first product, and pays it; every request reaches the other server.
async fn buy_in_turns(visitor: &mut Visitor, servers: &TwoServers, shop: &TestShop) {
    let (here, there) = (&servers.here.url, &servers.there.url);
    let product = [("product_id", "1"), ("quantity", "1")];
    let key = visitor.issued_key(here).await;
    visitor.press(there, "cart/buy-now", &key, &product).await;
    let cart = visitor.cart_id(here, "/checkout/now").await;
    assert!(!cart.is_empty(), "{}", servers.here.log());
    assert_eq!(shop.count("hold WHERE state = 'held'").await, 1);
    let extend = [("act", "extend"), ("cart_id", cart.as_str())];
    visitor
        .press(there, "checkout/change", "extend", &extend)
        .await;
    let extended = "hold WHERE state = 'held' AND extended";
    assert_eq!(shop.count(extended).await, 1);
    let mut fields = vec![("cart_id", cart.as_str())];
    fields.extend(FILLED_IN);
    visitor.press(here, "checkout/pay", "pay", &fields).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shopper_is_served_by_whichever_server_a_request_reaches() {
    let shop = TestShop::new().await;
    shop.by_hand
        .run("UPDATE product SET per_customer_limit = 1 WHERE id = 1")
        .await;
    let servers = TwoServers::start(&shop).await;
    let mut ann = Visitor::new();
    buy_in_turns(&mut ann, &servers, &shop).await;
    assert_eq!(ann.orders.len(), 1, "{}", servers.here.log());
    for server in [&servers.here, &servers.there] {
        let path = format!("/orders/{}", ann.orders[0]);
        assert!(ann.page(&server.url, &path).await.is_some(), "{path}");
    }
    let paid = "SELECT count(*)::text FROM customer_order WHERE status = 'paid'";
    until(&shop, paid, "1").await;

    // Another browser of the same customer: both servers count the order.
    let mut again = Visitor::new();
    buy_in_turns(&mut again, &servers, &shop).await;
    assert!(again.orders.is_empty(), "the limit is 1 per customer");
    assert_eq!(shop.count("customer_order").await, 1);
    let held = "SELECT count(*)::text FROM hold WHERE state = 'held'";
    until(&shop, held, "1").await;

    // The server at which the units were reserved is gone: the other one releases them.
    servers.there.signal(Signal::SIGKILL);
    shop.by_hand
        .run("UPDATE hold SET expires_at = clock_timestamp() WHERE state = 'held'")
        .await;
    until(&shop, held, "0").await;
    check_audit_clean(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_shown_and_stopped_by_another_server_which_also_ends_it_if_its_own_is_killed() {
    let shop = TestShop::new().await;
    let servers = TwoServers::start(&shop).await;
    let (there, client) = (&servers.there, &servers.client);
    let cookie = servers.sign_in().await;
    let id = servers.start_run(&cookie).await;
    let path = format!("/admin/simulations/{id}");
    until_selling(&shop).await;
    let (status, shown) = servers.page(there, &cookie, &path).await;
    assert_eq!(status, 200);
    assert!(shown.contains("1200 buyers, 1000 units"), "{shown}");
    // One run measures at a time, on any number of servers.
    there.post(client, "simulate", &cookie, PLAN).await;
    assert_eq!(shop.count("simulation_run").await, 1);
    let stop = format!("id={id}&command=stop");
    there
        .post(client, "control-simulation", &cookie, &stop)
        .await;
    let state = format!("SELECT state FROM simulation_run WHERE id = '{id}'");
    until(&shop, &state, "stopped").await;

    let id = servers.start_run(&cookie).await;
    let path = format!("/admin/simulations/{id}");
    until_selling(&shop).await;
    servers.here.signal(Signal::SIGKILL);
    // As if the run had been silent for a while.
    shop.by_hand
        .run(
            "UPDATE simulation_run SET beat_at = CURRENT_TIMESTAMP - INTERVAL '1 minute' \
             WHERE state = 'running'",
        )
        .await;
    let state = format!("SELECT state FROM simulation_run WHERE id = '{id}'");
    until(&shop, &state, "failed").await;
    let verdict = format!("SELECT verdict FROM simulation_run WHERE id = '{id}'");
    let counted = sold_by_verdict(&shop.by_hand.value::<String>(&verdict).await);
    let stored = format!(
        "SELECT count(*) FROM customer_order o JOIN simulation_lane l ON l.id = o.lane_id \
         WHERE l.run_id = '{id}'"
    );
    assert_eq!(counted, shop.by_hand.value::<i64>(&stored).await);
    let (status, shown) = servers.page(there, &cookie, &path).await;
    assert_eq!(status, 200);
    assert!(shown.contains("the server that ran it stopped"), "{shown}");
    check_audit_clean(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_at_one_server_is_signed_out_at_the_other() {
    let shop = TestShop::new().await;
    let servers = TwoServers::start(&shop).await;
    let cookie = servers.sign_in().await;
    for server in [&servers.here, &servers.there] {
        let (status, _) = servers.page(server, &cookie, "/admin").await;
        assert_eq!(status, 200, "{}", server.log());
    }
    let (there, client) = (&servers.there, &servers.client);
    there.post(client, "logout", &cookie, "").await;
    for server in [&servers.here, &servers.there] {
        let (status, _) = servers.page(server, &cookie, "/admin").await;
        assert_ne!(status, 200, "{}", server.log());
    }
}
