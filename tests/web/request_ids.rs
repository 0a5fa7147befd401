//! The id of a request: in its response and in each line of the log, and nothing personal beside
//! it.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use doorbuster::{feed::Feed, shop::Shop, telemetry};
use serde_json::Value;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::support::{TestShop, Visitor, hidden_fields, state, value_of};
use crate::support::shop::POOL;

/// A log in memory, of everything that runs on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let filter = EnvFilter::new("info,doorbuster=debug,sqlx=warn");
        let guard = set_default(telemetry::json_lines(filter, log.clone()));
        (log, guard)
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no writer panics");
        String::from_utf8(bytes.clone()).expect("a log is text")
    }

    fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("no writer panics")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// A visitor of the shop whose database connections are closed: every request that needs one fails.
async fn visitor_without_database(shop: &TestShop) -> Visitor {
    let db = shop.database.pool(POOL).await;
    db.clone().close().await;
    let broken = Shop::new(db, Feed::default());
    Visitor::at(state(broken, shop.database.url(), "http://shop.test"))
}

#[tokio::test]
async fn each_response_has_an_id_of_its_own() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let mut ids = BTreeSet::new();
    for path in ["/", "/", "/nowhere", "/healthz", "/api/products", "/admin"] {
        let answer = visitor.page(path).await;
        let id = answer.header("x-request-id").to_owned();
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{path}: {id}"
        );
        assert!(ids.insert(id), "{path}");
    }
    let chosen = [("x-request-id", "0123456789abcdef")];
    let answer = visitor.post_json_with("/api/purchase", "{", &chosen).await;
    assert_ne!(answer.header("x-request-id"), "0123456789abcdef");
}

#[tokio::test]
async fn each_line_names_its_request_also_of_its_transactions() {
    let shop = TestShop::new().await;
    let mut visitor = visitor_without_database(&shop).await;
    let (log, guard) = Log::start();
    let body = "{\"productId\": 1, \"quantity\": 1}";
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let failed = visitor.post_json("/api/purchase", body).await;
        assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
        ids.insert(failed.header("x-request-id").to_owned());
    }
    drop(guard);
    let lines = log.lines();
    assert!(lines.len() >= 4, "{lines:#?}");
    let mut named = BTreeSet::new();
    for line in &lines {
        let id = line["spans"][0]["request_id"].as_str();
        named.insert(id.unwrap_or_else(|| panic!("no id in {line}")).to_owned());
    }
    assert_eq!(named, ids);
    let failure = lines
        .iter()
        .find(|line| line["fields"]["message"] == "a request failed");
    let failure = failure.expect("the failure is logged");
    assert_eq!(failure["fields"]["route"], "/api/purchase");
    assert_eq!(failure["fields"]["status"], 503);
}

#[tokio::test]
async fn the_log_contains_no_personal_data_and_no_secret_address() {
    let shop = TestShop::new().await;
    let (log, guard) = Log::start();
    let mut shopper = Visitor::of(&shop);
    let product = "/products/flash-sale-smartphone";
    let fields = "product_id=1&quantity=1";
    shopper
        .submit(product, "/api/form/cart/buy-now", fields)
        .await;
    let page = shopper.page("/checkout/now").await.body;
    let contact = "name=Ann+Secret&email=ann.secret%40example.com&street=7+Hidden+Lane&postal_code=98765\
                   &city=Nowhereville&country=DE";
    let pay = format!(
        "{}&cart_id={}&{contact}&card_number=4242424242424242&card_expiry=11%2F39&card_cvc=987",
        hidden_fields(&page),
        value_of(&page, "cart_id")
    );
    let paid = shopper
        .submit("/checkout/now", "/api/form/checkout/pay", &pay)
        .await;
    let order = paid.header("location").to_owned();
    assert!(order.starts_with("/orders/"), "{paid:?}");
    shopper.page(&order).await;
    let find = "number=1&email=ann.secret%40example.com";
    shopper
        .submit("/orders/find", "/api/form/orders/find", find)
        .await;
    // A failure on the page of an order, whose address is a secret.
    let mut without_database = visitor_without_database(&shop).await;
    let failed = without_database.page(&order).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(guard);
    let text = log.text();
    assert!(text.contains("a request failed"), "{text}");
    let order_id = order.trim_start_matches("/orders/");
    for personal in [
        "Secret",
        "ann.secret",
        "Hidden Lane",
        "98765",
        "Nowhereville",
        "4242424242424242",
        order_id,
        "127.0.0.1",
    ] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
}

/// Among its senders is a client, whose address the log must not contain.
#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_logged_once() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let (log, guard) = Log::start();
    for peer in ["203.0.113.9", "172.17.0.1", "172.17.0.1", "172.18.0.1"] {
        let peer: SocketAddr = format!("{peer}:1").parse().expect("an address");
        let request = Request::get("/healthz")
            .header("x-forwarded-for", "198.51.100.7")
            .extension(ConnectInfo(peer))
            .body(Body::empty());
        let answer = visitor.send(request.expect("a request")).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    drop(guard);
    let lines = log.lines();
    let peers = lines.iter().map(|line| &line["fields"]["peer"]);
    let named: Vec<_> = peers.filter(|peer| !peer.is_null()).collect();
    assert_eq!(named, ["172.17.0.1"], "{lines:#?}");
    let text = log.text();
    assert!(text.contains("TRUSTED_PROXIES"), "{text}");
    for of_client in ["203.0.113.9", "198.51.100.7"] {
        assert!(!text.contains(of_client), "{of_client} in {text}");
    }
}
