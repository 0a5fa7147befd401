//! The stream of a product page carries the sale and the database's clock; the pages of announced
//! sales; the calendar file.

use axum::{
    body::BodyDataStream,
    http::{StatusCode, header},
};
use futures::StreamExt;

use super::support::{TestShop, Visitor, state, value_of};
use crate::support::{PATIENCE, TestProduct, within};

/// Longer than the time between two polls of the watched products, and until the start of the
/// tested sale.
const QUIET: std::time::Duration = std::time::Duration::from_secs(3);

/// An event: its name and its data.
type Event = (String, String);

async fn next_event(stream: &mut BodyDataStream) -> Event {
    let frame = within(PATIENCE, "an event", stream.next()).await;
    let frame = frame.expect("the stream goes on").expect("it is readable");
    let text = String::from_utf8_lossy(&frame);
    let field = |name: &str| {
        let fields = text.lines().filter_map(|line| line.strip_prefix(name));
        fields.collect::<Vec<_>>().join("\n")
    };
    (field("event: "), field("data: "))
}

/// Opens the stream of a product on a server that polls.
async fn follow(shop: &TestShop, product: &TestProduct) -> BodyDataStream {
    let server = state(shop.handle(), shop.database.url(), "http://shop.test");
    let polls = server
        .stock_watch
        .clone()
        .run(shop.handle(), server.shutdown.clone());
    tokio::spawn(polls);
    let path = format!("/live/stock?products={}", product.id);
    Visitor::at(server)
        .open_stream(&path)
        .await
        .into_data_stream()
}

async fn slug_of(shop: &TestShop, product: &TestProduct) -> String {
    let query = format!("SELECT slug FROM product WHERE id = {}", product.id);
    shop.by_hand.value(&query).await
}

async fn database_ms(shop: &TestShop) -> i64 {
    let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    shop.by_hand.value(query).await
}

#[tokio::test]
async fn a_stream_begins_with_stock_sale_and_clock() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(5).limit(2).price_cents(129_900);
    let product = product.starts_in("1 hour").create().await;
    let before_ms = database_ms(&shop).await;
    let mut stream = follow(&shop, &product).await;
    let id = product.id;
    assert_eq!(
        next_event(&mut stream).await,
        ("stock".to_owned(), format!("{id}:5"))
    );
    let (name, line) = next_event(&mut stream).await;
    let fields: Vec<&str> = line.split(';').collect();
    assert_eq!(name, "sale");
    let start_ms: i64 = fields[1].parse().expect("the start in milliseconds");
    assert!(
        (3_590_000..=3_610_000).contains(&(start_ms - before_ms)),
        "{line}"
    );
    assert_eq!(fields[0], id.to_string());
    assert_eq!(fields[2..], ["", "5", "", "2", "€1,299.00", ""]);
    let (name, now_ms) = next_event(&mut stream).await;
    assert_eq!(name, "clock");
    let now_ms: i64 = now_ms.parse().expect("milliseconds");
    // A browser that opens a sale by this time is never early.
    assert!((before_ms..=database_ms(&shop).await).contains(&now_ms));
}

#[tokio::test]
async fn a_change_by_another_process_is_one_event_and_the_start_is_none() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(5).starts_in("1 hour").create().await;
    let mut stream = follow(&shop, &product).await;
    for _ in 0..3 {
        next_event(&mut stream).await;
    }
    let sooner = format!(
        "UPDATE product SET price_cents = 4200, sale_starts_at = now() + INTERVAL '2 seconds' \
         WHERE id = {}",
        product.id
    );
    shop.by_hand.run(&sooner).await;
    let (name, line) = next_event(&mut stream).await;
    assert_eq!(name, "sale");
    assert!(line.contains("€42.00"), "{line}");
    // Each page has the time of the start, so nothing is sent when it comes.
    let at_the_start = tokio::time::timeout(QUIET, stream.next()).await;
    assert!(at_the_start.is_err(), "{at_the_start:?}");
    let start_ms: i64 = line
        .split(';')
        .nth(1)
        .and_then(|field| field.parse().ok())
        .expect("the start in milliseconds");
    assert!(start_ms < database_ms(&shop).await);
}

#[tokio::test]
async fn selling_out_is_a_sale_event_and_selling_is_not() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let mut stream = follow(&shop, &product).await;
    for _ in 0..3 {
        next_event(&mut stream).await;
    }
    let id = product.id;
    shop.buy(&product).await.expect("it is sold");
    let sold = next_event(&mut stream).await;
    assert_eq!(sold, ("stock".to_owned(), format!("{id}:1")));
    shop.buy(&product).await.expect("it is sold");
    let (mut name, mut data) = next_event(&mut stream).await;
    assert_eq!((&*name, &*data), ("stock", &*format!("{id}:0")));
    (name, data) = next_event(&mut stream).await;
    assert_eq!(name, "sale");
    let sold_out = data.split(';').nth(4).unwrap_or_default();
    assert!(!sold_out.is_empty(), "{data}");
}

#[tokio::test]
async fn the_page_of_an_announced_sale_has_the_form_and_loads_again_at_the_start() {
    let shop = TestShop::new().await;
    let product = shop
        .product()
        .stock(5)
        .starts_in("2 minutes")
        .create()
        .await;
    let path = format!("/products/{}", slug_of(&shop, &product).await);
    let mut visitor = Visitor::of(&shop);
    let page = visitor.page(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!value_of(&page.body, "idempotency_key").is_empty());
    let button = page
        .body
        .split("formaction=\"/api/form/cart/buy-now\"")
        .nth(1);
    let button = button.and_then(|rest| rest.split('>').next());
    assert!(
        button.is_some_and(|rest| rest.contains("disabled")),
        "{button:?}"
    );
    assert!(page.body.contains("Not open yet") && page.body.contains("Opens"));
    let refresh = page.body.split("http-equiv=\"refresh\" content=\"").nth(1);
    let seconds: u64 = refresh
        .and_then(|rest| rest.split('"').next()?.parse().ok())
        .expect("the seconds until the start");
    assert!((110..=122).contains(&seconds), "{seconds}");
    let calendar = visitor.page(&format!("{path}/sale.ics")).await;
    assert_eq!(calendar.status, StatusCode::OK);
    assert_eq!(
        calendar.header(header::CONTENT_TYPE.as_str()),
        "text/calendar; charset=utf-8"
    );
    assert!(
        calendar.body.contains("\r\nDTSTART:20"),
        "{}",
        calendar.body
    );

    let always_open = shop.with_product(5).await;
    let path = format!("/products/{}", slug_of(&shop, &always_open).await);
    let page = visitor.page(&path).await;
    assert!(
        !page.body.contains("http-equiv=\"refresh\""),
        "{}",
        page.body
    );
    for missing in [
        format!("{path}/sale.ics"),
        "/products/none/sale.ics".to_owned(),
    ] {
        let answer = visitor.page(&missing).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{missing}");
    }
}
