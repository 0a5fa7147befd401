//! A run is private: the ids that its pages and streams show give no one but its buyers the power
//! to change it, and its secret is shown nowhere.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::to_bytes,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use doorbuster::{
    model::{ShopError, SimulationPlan, StrategyKey},
    simulation::{
        Engine,
        run_secret::{BUYER_HEADER, hash_of_token},
    },
    web::AppState,
};
use tokio::net::TcpListener;
use url::Url;

use super::support::{TestShop, Visitor, administrator, parts};
use crate::support::{PATIENCE, TestProduct, check_audit_clean, strategies, within};

const STRATEGIES: [StrategyKey; 6] = [
    StrategyKey::RowLock,
    StrategyKey::Unguarded,
    StrategyKey::MicroBatch,
    StrategyKey::Buckets,
    StrategyKey::SingleStatement,
    StrategyKey::EarlyRelease,
];

fn plan() -> SimulationPlan {
    SimulationPlan {
        strategies: STRATEGIES.to_vec(),
        buyers: 5,
        stock: 3,
        pool_size: 2,
        ..SimulationPlan::preset()
    }
}

/// The ids of all private products, of their lanes, and of what may be guessed from them: ids count
/// up.
async fn visible_ids(shop: &TestShop) -> Vec<i64> {
    let listed: String = shop
        .by_hand
        .value(
            "SELECT string_agg(id::text, ',') FROM (SELECT id FROM product WHERE lane_id IS NOT NULL \
             UNION SELECT lane_id FROM product WHERE lane_id IS NOT NULL \
             UNION SELECT max(id) + 1 FROM product) AS visible \
             WHERE id NOT IN (SELECT id FROM product WHERE lane_id IS NULL)",
        )
        .await;
    let ids = listed.split(',').map(str::parse);
    ids.collect::<Result<_, _>>().expect("numbers")
}

/// Everything that a purchase of a private product would change.
async fn state_of_runs(shop: &TestShop) -> String {
    shop.by_hand
        .value(
            "SELECT concat_ws('; ', \
               (SELECT string_agg(concat_ws(' ', l.product_id, l.total, l.available, l.reserved, l.sold), ',' ORDER BY l.product_id) \
                FROM stock_level l JOIN product p ON p.id = l.product_id \
                WHERE p.lane_id IS NOT NULL), \
               (SELECT string_agg(o.id || o.status, ',' ORDER BY o.id) FROM customer_order o WHERE lane_id IS NOT NULL), \
               (SELECT string_agg(key, ',' ORDER BY key) FROM idempotency_key), \
               (SELECT count(*) FROM cart_item i JOIN product p ON p.id = i.product_id WHERE p.lane_id IS NOT NULL), \
               (SELECT count(*) FROM stock_movement), (SELECT count(*) FROM hold))",
        )
        .await
}

/// Tries to buy each of the ids in every way. A private product does not exist for a stranger.
async fn try_everything(shop: &TestShop, stranger: &mut Visitor, ids: &[i64]) {
    let before = state_of_runs(shop).await;
    for id in ids {
        let body = format!(r#"{{"productId":{id},"quantity":1}}"#);
        let guess = "0".repeat(64);
        for strategy in strategies() {
            let path = format!("/api/purchase?strategy={strategy}");
            for headers in [
                [
                    ("idempotency-key", "a-key-of-a-stranger"),
                    (BUYER_HEADER, ""),
                ],
                [
                    (BUYER_HEADER, guess.as_str()),
                    ("idempotency-key", guess.as_str()),
                ],
            ] {
                let answer = stranger.post_json_with(&path, &body, &headers).await;
                let what = format!("{path} {body} {headers:?}: {answer:?}");
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what}");
            }
        }
        for form in ["cart/add", "cart/buy-now", "cart/set"] {
            let fields = format!("product_id={id}&quantity=1");
            let path = format!("/api/form/{form}");
            let answer = stranger.post_form(&path, &fields).await;
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{form} {id}: {answer:?}"
            );
        }
        for page in [
            format!("/api/products/{id}"),
            format!("/products/lane-{id}"),
            format!("/orders/{id}"),
        ] {
            let answer = stranger.page(&page).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{page}");
        }
    }
    assert_eq!(state_of_runs(shop).await, before);
}

/// The administrator's acts on stock and orders would change the result of a run, too.
async fn try_acts_of_the_administrator(shop: &TestShop, admin: &mut Visitor, ids: &[i64]) {
    let before = state_of_runs(shop).await;
    let orders: String = shop
        .by_hand
        .value(
            "SELECT string_agg(o.public_id::text || '&line_id=' || l.id, ',') FROM customer_order o \
             JOIN order_line l ON l.order_id = o.id WHERE o.lane_id IS NOT NULL",
        )
        .await;
    assert!(orders.contains(','), "the run has orders: {orders}");
    for order in orders.split(',') {
        for act in ["cancel", "refund-all", "refund-line", "take-back"] {
            let fields = format!("act={act}&order_id={order}&quantity=1");
            let answer = admin.post_form("/api/form/admin/order", &fields).await;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{act}: {answer:?}");
            assert!(answer.detail().contains("simulation run"), "{answer:?}");
        }
    }
    for id in ids {
        for (form, fields) in [
            ("receive", format!("product_id={id}&quantity=3")),
            (
                "take-stock",
                format!("product_id={id}&counted=9&reason=counted"),
            ),
        ] {
            let path = format!("/api/form/admin/{form}");
            let answer = admin.post_form(&path, &fields).await;
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{form} {id}: {answer:?}"
            );
        }
    }
    assert_eq!(state_of_runs(shop).await, before);
}

#[tokio::test]
async fn a_stranger_cannot_change_a_run() {
    let shop = TestShop::new().await;
    let engine = Engine::new(shop.database.url().to_owned(), shop.feed().clone());
    let started = engine.start(&administrator(), plan()).await;
    let started = started.expect("the run starts");
    let parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    let shutdown = parts.shutdown.clone();
    let mut stranger = Visitor::at(AppState::new(parts));
    // A cart, so that the forms that change one reach the product.
    let fields = "product_id=1&quantity=1";
    let added = stranger.post_form("/api/form/cart/add", fields).await;
    assert!(!added.status.is_client_error(), "{added:?}");
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let stepper = "/api/form/admin/stepper/start";
    let stepper = admin
        .submit("/admin/stepper", stepper, "story=lost-update")
        .await;
    assert!(stepper.header("location").starts_with("/admin/stepper/"));

    let ids = visible_ids(&shop).await;
    let private: i64 = shop.count("product WHERE lane_id IS NOT NULL").await;
    assert!(private > 6, "six lanes and a session of the stepper");
    let watched = ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let watched = format!("/live/stock?products=1,{}", watched.join(","));
    let stock = stranger.open_stream(&watched).await;
    try_everything(&shop, &mut stranger, &ids).await;

    let run_ended = within(PATIENCE, "the run", engine.finish(started, &[], |_| {})).await;
    let end = run_ended.expect("it ends with a verdict");
    for lane in &end.lanes {
        let verdict = lane.verdict.as_ref().expect("each lane has a verdict");
        assert_eq!(verdict.sold_to_others, 0, "{verdict:#?}");
        assert!(verdict.passed() || !lane.strategy.is_safe(), "{verdict:#?}");
    }
    try_everything(&shop, &mut stranger, &ids).await;
    try_acts_of_the_administrator(&shop, &mut admin, &ids).await;

    shutdown.cancel();
    let events = within(
        PATIENCE,
        "the end of the stock stream",
        to_bytes(stock, usize::MAX),
    );
    let events = events.await.expect("it ends");
    let events = String::from_utf8_lossy(&events);
    let events_named = |name: &str| {
        let named = format!("event: {name}\ndata: ");
        let data = events
            .split("\n\n")
            .filter_map(|event| event.split(&*named).nth(1));
        data.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        events_named("stock"),
        ["1:20"],
        "only the product of the shop is watched"
    );
    let sales = events_named("sale");
    assert_eq!(sales.len(), 1, "{sales:?}");
    assert!(
        sales[0].starts_with("1;") && !sales[0].contains('\n'),
        "{sales:?}"
    );
    check_audit_clean(&shop).await;
}

/// Not even its own buyers buy after the end, also if their server stopped and the run was given
/// up.
#[tokio::test]
async fn nothing_is_sold_after_the_end_of_a_run() {
    let shop = TestShop::new().await;
    for ends_by_itself in [true, false] {
        let engine = Engine::new(shop.database.url().to_owned(), shop.feed().clone());
        let started = engine.start(&administrator(), plan()).await;
        let started = started.expect("the run starts");
        let id = started.id();
        if ends_by_itself {
            let ended = engine.finish(started, &[], |_| {});
            let ended = within(PATIENCE, "the run", ended).await;
            ended.expect("it ends with a verdict");
        } else {
            drop(started);
            let silent = "UPDATE simulation_run SET beat_at = beat_at - INTERVAL '1 hour' WHERE state = 'running'";
            shop.by_hand.run(silent).await;
            let failed = doorbuster::simulation::store::fail_abandoned(shop.db(), 30).await;
            assert_eq!(failed.ok(), Some(1));
        }
        for strategy in STRATEGIES {
            let lane = format!("simulation_lane WHERE run_id = '{id}' AND strategy = '{strategy}'");
            let lane_id: i64 = shop.by_hand.value(&format!("SELECT id FROM {lane}")).await;
            let product_id: i64 = shop
                .by_hand
                .value(&format!("SELECT product_id FROM {lane}"))
                .await;
            let name: String = shop
                .by_hand
                .value(&format!("SELECT name FROM product WHERE id = {product_id}"))
                .await;
            let product = TestProduct::of_shop(product_id, name.clone());
            let late = shop.buy(&product).by(strategy).by_a_buyer_of(lane_id).await;
            assert_eq!(
                late,
                Err(ShopError::SaleEnded { product: name }),
                "{strategy}"
            );
        }
    }
    check_audit_clean(&shop).await;
}

/// The headers of the buyers of a run, as a server receives them.
type SeenHeaders = Arc<Mutex<Vec<String>>>;

/// A server that records the secrets of buyers and rejects them.
async fn record_buyers(seen: SeenHeaders) -> Url {
    let handler = move |headers: HeaderMap| {
        let mut seen = seen.lock().expect("no panic under this lock");
        for name in [BUYER_HEADER, "idempotency-key"] {
            seen.push(headers[name].to_str().expect("text").to_owned());
        }
        std::future::ready((StatusCode::CONFLICT, r#"{"detail":"Insufficient stock"}"#))
    };
    let router = Router::new().route("/api/purchase", post(handler));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&format!("http://{address}")).expect("a URL")
}

#[tokio::test]
async fn the_secret_of_a_run_is_on_no_page_stream_or_file() {
    let shop = TestShop::new().await;
    let seen = SeenHeaders::default();
    let target = record_buyers(Arc::clone(&seen)).await;
    let engine = Engine::new(shop.database.url().to_owned(), shop.feed().clone());
    let plan = SimulationPlan {
        strategies: vec![StrategyKey::RowLock],
        buyers: 2,
        stock: 1,
        ..SimulationPlan::preset()
    };
    let started = engine.start(&administrator(), plan).await;
    let started = started.expect("the run starts");
    let debug = format!("{started:?}");
    let targets = [target];
    let ended = engine.finish(started, &targets, |_| {});
    let id = within(PATIENCE, "the run", ended)
        .await
        .expect("it ends")
        .id;
    let mut secrets = seen.lock().expect("no panic under this lock").clone();
    assert_eq!(secrets.len(), 4, "two buyers, each with a secret and a key");
    assert_eq!(secrets[0], secrets[2], "one secret for the run");
    assert_ne!(secrets[1], secrets[3], "a key for each attempt");
    secrets.push(hash_of_token(&secrets[0]));
    let stored: String = shop
        .by_hand
        .value(&format!(
            "SELECT buyer_secret FROM simulation_run WHERE id = '{id}'"
        ))
        .await;
    assert!(secrets.contains(&stored), "the database has its hash");

    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let mut shown = vec![("the log".to_owned(), debug)];
    for page in [
        "/present/ID",
        "/live/present/ID",
        "/live/simulations/ID",
        "/admin/simulations/ID",
        "/admin/simulations/ID/certificate",
        "/admin/simulations/ID/export.csv",
        "/admin/simulations/ID/figures.csv",
        "/admin/simulations/ID/export.json",
        "/admin/simulations/ID/export.html",
        "/admin/simulations/ID/export.svg",
        "/admin/simulations/runs",
        "/admin/simulations",
        "/admin",
    ] {
        let page = page.replace("ID", &id);
        let answer = admin.page(&page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}");
        let headers = format!("{:?}", answer.headers);
        assert!(answer.headers.contains_key(header::CONTENT_TYPE), "{page}");
        shown.push((page, headers + &answer.body));
    }
    for (place, text) in shown {
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {place}");
        }
    }
}
