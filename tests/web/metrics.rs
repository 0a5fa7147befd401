//! `/metrics`: who may read it, that it counts what happens, and that nothing makes it grow.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use doorbuster::{
    db::txn::{self, Policy},
    model::StrategyKey,
    shop::{Shop, inventory::order_queue::OrderQueue},
    web::{
        self, AppState,
        health::exposition,
        maintenance::{health::observe_once, old_data::run_round},
    },
};
use sea_orm::ConnectionTrait;
use tokio::net::TcpListener;

use super::{
    queue::order_of,
    support::{TestShop, Visitor, parts},
};
use crate::support::{PATIENCE, administrator, raw_http::RawConnection, redis::TestRedis, within};

const EVENTS_WAITING: &str = "doorbuster_outbox_events_waiting";
const OLDEST_EVENT: &str = "doorbuster_outbox_oldest_waiting_age_seconds";
const EVENTS_LOST: &str = "doorbuster_outbox_events_deleted_undelivered_total";
const ORDERS_WAITING: &str = "doorbuster_order_queue_orders_waiting";
const OLDEST_ORDER: &str = "doorbuster_order_queue_oldest_waiting_age_seconds";
const DEAD_LETTERS: &str = "doorbuster_order_queue_dead_letters";

/// A server of the shop, and its state.
fn server_of(shop: &TestShop) -> (Visitor, AppState) {
    let state = state_of(shop, shop.handle());
    (Visitor::at(state.clone()), state)
}

/// The state of this server of the shop.
fn state_of(shop: &TestShop, server: Shop) -> AppState {
    AppState::new(parts(server, shop.database.url(), "http://shop.test"))
}

/// Returns the metrics as Prometheus would read them.
fn scrape(state: &AppState) -> String {
    exposition::text(state).expect("a text can be written")
}

/// Returns the value of a series, such as `doorbuster_holds{state="live"}`.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|rest| rest.strip_prefix(' '))
        .map(|value| value.parse().expect("a number"))
}

/// Returns the series of a text, without their values.
fn series(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect()
}

fn purchase(product_id: i64, quantity: u32) -> String {
    format!("{{\"productId\": {product_id}, \"quantity\": {quantity}}}")
}

#[tokio::test]
async fn only_the_administrator_reads_them_at_the_address_of_the_shop() {
    let shop = TestShop::new().await;
    let (mut visitor, _) = server_of(&shop);
    assert_eq!(
        visitor.page("/metrics").await.header("location"),
        "/admin/login"
    );
    visitor.sign_in_to(&shop, "/metrics").await;
    let metrics = visitor.page("/metrics").await;
    assert_eq!(metrics.status, StatusCode::OK);
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(metrics.header("cache-control"), "no-store");
    assert!(value(&metrics.body, "doorbuster_uptime_seconds").is_some());
}

#[tokio::test]
async fn an_address_of_their_own_has_nothing_else() {
    let shop = TestShop::new().await;
    let (_, state) = server_of(&shop);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let stop = state.shutdown.clone().drop_guard();
    let serving = tokio::spawn(web::serve_metrics(listener, state));
    let mut prometheus = RawConnection::to(address).await;
    let metrics = prometheus.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .body
            .contains("# TYPE doorbuster_checkout_attempts_total counter")
    );
    for path in ["/", "/admin", "/readyz", "/api/products"] {
        assert_eq!(prometheus.get(path).await.status, 404, "{path}");
    }
    drop(stop);
    serving.await.expect("it ends with the server");
}

#[tokio::test]
async fn purchases_are_counted_by_their_results() {
    let shop = TestShop::new().await;
    let (mut buyer, state) = server_of(&shop);
    let product = shop.with_product(1).await;
    let path = "/api/purchase";
    for (quantity, status) in [(1, 200), (1, 409), (1, 409)] {
        let answer = buyer.post_json(path, &purchase(product.id, quantity)).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
    let answer = buyer.post_json(path, &purchase(987_654, 1)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let text = scrape(&state);
    for (series, expected) in [
        (
            "doorbuster_checkout_attempts_total{journey=\"express\"}",
            4.0,
        ),
        (
            "doorbuster_checkout_successes_total{journey=\"express\"}",
            1.0,
        ),
        (
            "doorbuster_checkout_refusals_total{journey=\"express\",reason=\"sold_out\"}",
            2.0,
        ),
        (
            "doorbuster_checkout_refusals_total{journey=\"express\",reason=\"unknown_product\"}",
            1.0,
        ),
        (
            "doorbuster_checkout_duration_seconds_count{journey=\"express\"}",
            4.0,
        ),
        (
            "doorbuster_checkout_duration_seconds_bucket{journey=\"express\",le=\"+Inf\"}",
            4.0,
        ),
        (
            "doorbuster_http_requests_total{class=\"api\",status=\"2xx\"}",
            1.0,
        ),
        (
            "doorbuster_http_requests_total{class=\"api\",status=\"4xx\"}",
            3.0,
        ),
        (
            "doorbuster_transaction_attempts_total{transaction=\"row-lock\"}",
            4.0,
        ),
        (
            "doorbuster_transaction_rollbacks_total{transaction=\"row-lock\",sqlstate=\"rule\"}",
            3.0,
        ),
        (
            "doorbuster_sold_out_cache_answers_total{answer=\"miss\"}",
            4.0,
        ),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
}

#[tokio::test]
async fn simulated_buyers_are_not_the_shops_customers() {
    let shop = TestShop::new().await;
    let (mut buyer, state) = server_of(&shop);
    let lane = shop.with_lane(StrategyKey::RowLock, 2).await;
    let token = lane.buyer_token();
    let of_run = [(
        doorbuster::simulation::run_secret::BUYER_HEADER,
        token.as_str(),
    )];
    let bought = buyer
        .post_json_with("/api/purchase", &purchase(lane.id, 1), &of_run)
        .await;
    assert_eq!(bought.status, StatusCode::OK, "{bought:?}");
    let attempts = "doorbuster_checkout_attempts_total{journey=\"express\"}";
    assert_eq!(value(&scrape(&state), attempts), Some(0.0));
}

#[tokio::test]
async fn rollbacks_are_counted_by_their_sqlstate() {
    let shop = TestShop::new().await;
    let (_, state) = server_of(&shop);
    for (name, code, attempts) in [
        ("planted deadlock", "40P01", 3.0),
        ("planted full disk", "53100", 1.0),
        ("planted nonsense", "ZZ999", 1.0),
    ] {
        let policy = Policy {
            attempts_max: 3,
            ..Policy::request(name)
        };
        let failed = txn::run_for_result::<(), _>(shop.db(), policy, move |work| {
            Box::pin(async move {
                let raise = format!(
                    "DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{code}'; END $$"
                );
                Ok(work
                    .connection()
                    .execute_unprepared(&raise)
                    .await
                    .map(drop)?)
            })
        });
        assert!(failed.await.is_err(), "{code}");
        let text = scrape(&state);
        let label = if code == "ZZ999" { "other" } else { code };
        let rollbacks = format!(
            "doorbuster_transaction_rollbacks_total{{transaction=\"{name}\",sqlstate=\"{label}\"}}"
        );
        assert_eq!(value(&text, &rollbacks), Some(attempts), "{rollbacks}");
        let retries = format!("doorbuster_transaction_retries_total{{transaction=\"{name}\"}}");
        assert_eq!(value(&text, &retries), Some(attempts - 1.0), "{retries}");
    }
}

#[tokio::test]
async fn work_that_is_due_is_counted_and_old_figures_are_not_shown() {
    let shop = TestShop::new().await;
    let (_, state) = server_of(&shop);
    let unread = scrape(&state);
    assert_eq!(value(&unread, "doorbuster_database_visible"), Some(0.0));
    assert_eq!(value(&unread, "doorbuster_holds{state=\"live\"}"), None);

    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let reserved = shop.reservations().reserve(cart, None).await;
    assert!(reserved.result.is_ok(), "{reserved:?}");
    observe_once(&state).await;
    let live = scrape(&state);
    assert_eq!(value(&live, "doorbuster_database_visible"), Some(1.0));
    assert_eq!(value(&live, "doorbuster_holds{state=\"live\"}"), Some(1.0));
    let age = "doorbuster_hold_oldest_unswept_age_seconds";
    assert_eq!(value(&live, age), Some(0.0));
    let idle = "doorbuster_database_sessions_idle_in_transaction";
    assert_eq!(value(&live, idle), Some(0.0), "{live}");
    let clocks = "doorbuster_database_clock_difference_seconds";
    let apart = value(&live, clocks);
    assert!(apart.is_some_and(|apart| apart < 1.0), "{live}");
    let reserve = "doorbuster_checkout_successes_total{journey=\"reserve\"}";
    assert_eq!(value(&live, reserve), Some(1.0));

    shop.expire_holds().await;
    observe_once(&state).await;
    let expired = scrape(&state);
    assert_eq!(
        value(&expired, "doorbuster_holds{state=\"live\"}"),
        Some(0.0)
    );
    assert_eq!(
        value(&expired, "doorbuster_holds{state=\"expired\"}"),
        Some(1.0)
    );
    assert!(
        value(&expired, age).is_some_and(|age| age > 0.0),
        "{expired}"
    );

    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(1));
    observe_once(&state).await;
    let swept = scrape(&state);
    assert_eq!(
        value(&swept, "doorbuster_holds{state=\"expired\"}"),
        Some(0.0)
    );
    assert_eq!(value(&swept, "doorbuster_holds_swept_total"), Some(1.0));
}

#[tokio::test]
async fn events_are_counted_while_they_wait_and_when_they_are_deleted_undelivered() {
    let shop = TestShop::new().await;
    let (_, state) = server_of(&shop);
    let product = shop.with_product(5).await;
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    let subscribed = outbox.subscribe("http://127.0.0.1:1/").await;
    subscribed.expect("it is a URL");
    observe_once(&state).await;
    let none = scrape(&state);
    for series in [EVENTS_WAITING, OLDEST_EVENT, EVENTS_LOST] {
        assert_eq!(value(&none, series), Some(0.0), "{series}");
    }

    shop.buy(&product).await.expect("it is sold");
    let age = "UPDATE outbox_event SET created_at = CURRENT_TIMESTAMP - INTERVAL '5 minutes'";
    shop.by_hand.run(age).await;
    observe_once(&state).await;
    let waiting = scrape(&state);
    assert_eq!(value(&waiting, EVENTS_WAITING), Some(2.0));
    let oldest = value(&waiting, OLDEST_EVENT);
    assert!(oldest.is_some_and(|age| age >= 300.0), "{oldest:?}");

    for change in [
        "UPDATE outbox_event SET delivered_at = CURRENT_TIMESTAMP WHERE kind = 'order.placed'",
        "UPDATE outbox_event SET created_at = CURRENT_TIMESTAMP - INTERVAL '8 days'",
    ] {
        shop.by_hand.run(change).await;
    }
    observe_once(&state).await;
    assert_eq!(value(&scrape(&state), EVENTS_WAITING), Some(1.0));
    state.retention.set(run_round(shop.db(), PATIENCE).await);
    assert_eq!(shop.count("outbox_event").await, 0);
    observe_once(&state).await;
    let deleted = scrape(&state);
    assert_eq!(value(&deleted, EVENTS_WAITING), Some(0.0));
    assert_eq!(value(&deleted, EVENTS_LOST), Some(1.0));
}

/// A transaction that began before the end of the subscription may still write one.
#[tokio::test]
async fn an_event_without_a_subscription_waits_for_no_subscriber() {
    let shop = TestShop::new().await;
    let (_, state) = server_of(&shop);
    let late = "INSERT INTO outbox_event (kind, payload) VALUES ('order.placed', '{}')";
    shop.by_hand.run(late).await;
    observe_once(&state).await;
    assert_eq!(value(&scrape(&state), EVENTS_WAITING), Some(0.0));
}

#[tokio::test]
async fn orders_in_the_queue_are_counted_while_redis_answers() {
    let shop = TestShop::new().await;
    let without = state_of(&shop, shop.handle().with_gate(None));
    observe_once(&without).await;
    let text = scrape(&without);
    assert_eq!(value(&text, EVENTS_WAITING), Some(0.0));
    for series in [ORDERS_WAITING, OLDEST_ORDER, DEAD_LETTERS] {
        assert_eq!(value(&text, series), None, "{series}");
    }

    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let gate = redis.gate();
    let queue = OrderQueue::beside(&gate);
    let state = state_of(&shop, shop.handle().with_gate(Some(gate)));
    let product = shop.with_product(5).await;
    for _ in 0..3 {
        let accepted = queue.accept(&order_of(&product), false).await;
        accepted.expect("Redis answers");
    }
    let taken = queue.take("a consumer", false).await;
    let (entries, _) = taken.expect("Redis answers");
    let buried = queue.bury(&entries[0], "a reason").await;
    assert!(buried.expect("Redis answers"));
    let text = within(PATIENCE, "an age", async {
        loop {
            observe_once(&state).await;
            let text = scrape(&state);
            if value(&text, OLDEST_ORDER).is_some_and(|age| age > 0.0) {
                return text;
            }
        }
    })
    .await;
    assert_eq!(value(&text, ORDERS_WAITING), Some(2.0));
    assert_eq!(value(&text, DEAD_LETTERS), Some(1.0));

    redis.kill();
    observe_once(&state).await;
    let away = scrape(&state);
    assert_eq!(value(&away, EVENTS_WAITING), Some(0.0));
    for series in [ORDERS_WAITING, OLDEST_ORDER, DEAD_LETTERS] {
        assert_eq!(value(&away, series), None, "{series}");
    }
}

#[tokio::test]
async fn streams_are_counted_while_they_are_open() {
    let shop = TestShop::new().await;
    let (visitor, state) = server_of(&shop);
    let open = || value(&scrape(&state), "doorbuster_streams_open");
    assert_eq!(open(), Some(0.0));
    let stream = visitor.open_stream("/live/stock?products=1").await;
    assert_eq!(open(), Some(1.0));
    drop(stream);
    assert_eq!(open(), Some(0.0));
}

/// Sends requests as a scanner would. `seed` makes each storm another one.
async fn storm(shop: &TestShop, visitor: &mut Visitor, seed: i64) {
    let key = format!("a-key-of-the-storm-{seed}");
    for (path, body) in [
        ("/api/purchase", purchase(1, 1)),
        ("/api/purchase", purchase(seed + 5_000, 1)),
        ("/api/purchase", "{".to_owned()),
        ("/api/purchase?strategy=conditional-update", purchase(1, 0)),
        ("/api/purchase?strategy=nothing", purchase(2, 1)),
        ("/api/payments/webhook", "{}".to_owned()),
    ] {
        let headers = [("idempotency-key", key.as_str())];
        visitor.post_json_with(path, &body, &headers).await;
    }
    for path in [
        format!("/products/product-{seed}"),
        format!("/orders/{}", uuid::Uuid::new_v4()),
        format!("/.git/config-{seed}"),
        format!("/search?q={seed}%00"),
        format!("/admin/{seed}"),
        format!("/live/orders/{seed}"),
        format!("/api/{seed}"),
        format!("/assets/{seed}/x.js"),
        "/readyz".to_owned(),
        "/healthz".to_owned(),
    ] {
        for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
            let request = Request::builder()
                .method(method)
                .uri(&path)
                .header("user-agent", format!("scanner/{seed}"))
                .header("x-request-id", format!("id-{seed}"));
            visitor
                .send(request.body(Body::empty()).expect("a request"))
                .await;
        }
    }
    let fields = format!("product_id={seed}&quantity=-{seed}");
    visitor.submit("/", "/api/form/cart/add", &fields).await;
    let _ = shop.reservations().sweep_expired().await;
}

#[tokio::test]
async fn no_request_makes_the_number_of_series_grow() {
    let shop = TestShop::new().await;
    let (mut visitor, state) = server_of(&shop);
    // The second one comes with the cookies of the first.
    storm(&shop, &mut visitor, 1).await;
    storm(&shop, &mut visitor, 2).await;
    observe_once(&state).await;
    let first = scrape(&state);
    for seed in 3..13 {
        storm(&shop, &mut visitor, seed).await;
    }
    observe_once(&state).await;
    let last = scrape(&state);
    let (first, last) = (series(&first), series(&last));
    let new: Vec<_> = last.difference(&first).collect();
    assert!(new.is_empty(), "{new:#?}");
    assert!(last.len() < 1_500, "{} series", last.len());
    for series in &last {
        assert!(!series.contains("scanner"), "{series}");
    }
}

/// A family without a series has its type all the same, so that its name can be found.
#[tokio::test]
async fn names_and_units_follow_the_conventions_of_prometheus() {
    let shop = TestShop::new().await;
    let (_, state) = server_of(&shop);
    let text = scrape(&state);
    let types: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert!(types.len() > 30, "{types:?}");
    for (name, kind) in &types {
        assert!(name.starts_with("doorbuster_"), "{name}");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        );
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
        assert!(*kind != "histogram" || name.ends_with("_seconds"), "{name}");
        for unit in ["_ms", "_us", "_minutes", "_age", "_duration"] {
            assert!(!name.ends_with(unit), "{name}");
        }
    }
    let mut names: Vec<_> = types.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), types.len(), "each family is written once");
}
