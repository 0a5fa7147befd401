//! *Admin → Health*, the incident guide, and the probes.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use doorbuster::{
    db::{Db, PoolSettings},
    feed::Feed,
    shop::Shop,
    web::{
        AppState,
        health::HEARTBEAT_AGE_MAX,
        maintenance::{health::observe_once, readers::verify_once},
    },
};

use super::support::{TestShop, Visitor, parts};
use crate::support::proxy::Proxy;

const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test health",
    transactions_max: 2,
    readers_max: 2,
    ..PoolSettings::SHOP
};

fn server_of(shop: &TestShop) -> (Visitor, AppState) {
    let state = AppState::new(parts(
        shop.handle(),
        shop.database.url(),
        "http://shop.test",
    ));
    (Visitor::at(state.clone()), state)
}

/// Returns the part of the page about one figure.
fn panel<'a>(page: &'a str, id: &str) -> &'a str {
    let begin = page.split(&format!("id=\"{id}\"")).nth(1);
    let begin = begin.unwrap_or_else(|| panic!("no figure {id} in {page}"));
    begin.split("</section>").next().unwrap_or_default()
}

#[tokio::test]
async fn the_page_shows_each_figure_with_its_history_and_what_to_do() {
    let shop = TestShop::new().await;
    let (mut admin, state) = server_of(&shop);
    admin.sign_in(&shop).await;
    let empty = admin.page("/admin/health").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(
        empty
            .body
            .contains("The first figures are read within 10 s.")
    );
    assert!(panel(&empty.body, "holds").contains("Unknown"));

    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let reserved = shop.reservations().reserve(cart, None).await;
    assert!(reserved.result.is_ok(), "{reserved:?}");
    observe_once(&state).await;
    observe_once(&state).await;
    for address in ["/admin/health", "/admin/health?period=day"] {
        let page = admin.page(address).await;
        let holds = panel(&page.body, "holds");
        for part in ["health__line", "role=\"img\"", "now 1, lowest 1, highest 1"] {
            assert!(holds.contains(part), "{address}: {part} in {holds}");
        }
        assert!(holds.contains("/admin/health/guide#reservations-are-not-released"));
        assert!(holds.contains("doorbuster_holds"), "{holds}");
        assert!(page.body.contains("This server started"), "{address}");
        assert!(page.body.contains("http-equiv=\"refresh\""), "{address}");
    }
    let unswept = admin.page("/admin/health").await.body;
    assert!(panel(&unswept, "unswept").contains("Normal"));
}

#[tokio::test]
async fn a_figure_that_is_not_normal_is_named_at_the_top() {
    let shop = TestShop::new().await;
    let (mut admin, state) = server_of(&shop);
    admin.sign_in(&shop).await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let reserved = shop.reservations().reserve(cart, None).await;
    assert!(reserved.result.is_ok(), "{reserved:?}");
    let expire = "UPDATE hold SET expires_at = CURRENT_TIMESTAMP - INTERVAL '5 minutes' WHERE state = 'held'";
    shop.by_hand.run(expire).await;
    observe_once(&state).await;
    let page = admin.page("/admin/health").await.body;
    assert!(page.contains("Needs attention"), "{page}");
    assert!(page.contains("href=\"#unswept\""), "{page}");
    assert!(panel(&page, "unswept").contains("Not normal"));
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(1));
}

#[tokio::test]
async fn anyone_may_read_the_incident_guide() {
    let shop = TestShop::new().await;
    let (mut stranger, _) = server_of(&shop);
    let guide = stranger.page("/admin/health/guide").await;
    assert_eq!(guide.status, StatusCode::OK);
    for anchor in ["oversold", "stock-differs", "full-disk", "lost-redis"] {
        let heading = format!("<h2 id=\"{anchor}\">");
        assert!(guide.body.contains(&heading), "{heading}");
    }
    assert!(guide.body.contains("doorbuster audit --json"));
    assert_eq!(guide.body.matches("<h1").count(), 1);
    let sign_in = stranger.page("/admin/login").await.body;
    assert!(
        sign_in.contains("href=\"/admin/health/guide\""),
        "{sign_in}"
    );
    let figures = stranger.page("/admin/health").await;
    assert_eq!(figures.header("location"), "/admin/login");
}

/// Signs in, and looks at the figures.
async fn reader_of(state: &AppState, shop: &TestShop) -> Visitor {
    let mut reader = Visitor::at(state.clone());
    reader.sign_in(shop).await;
    let figures = reader.page("/admin/health").await;
    assert_eq!(figures.status, StatusCode::OK);
    reader
}

#[tokio::test]
async fn an_administrator_reads_on_while_the_database_is_unavailable_and_others_do_not() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let db = Db::connect(proxy.url(), POOL).await;
    let cut_off = Shop::new(db.expect("the proxy forwards"), Feed::default());
    let here = AppState::new(parts(cut_off, proxy.url(), "http://shop.test"));
    let (_, elsewhere) = server_of(&shop);
    let mut reader = reader_of(&here, &shop).await;
    let mut signed_out_here = reader_of(&here, &shop).await;
    let mut same_cookies = signed_out_here.with_the_same_cookies();
    let logout = "/api/form/admin/logout";
    signed_out_here.submit("/admin", logout, "").await;
    // The browser of a third one signs out at another server.
    let mut third = reader_of(&here, &shop).await;
    let session = third.cookie().expect("a session").to_owned();
    let mut at_other_server = Visitor::at(elsewhere);
    at_other_server.set_cookie("doorbuster", &session);
    at_other_server.submit("/admin", logout, "").await;
    verify_once(&here).await;

    proxy.cut();
    let mut stranger = Visitor::at(here.clone());
    let guide = stranger.page("/admin/health/guide").await;
    assert_eq!(guide.status, StatusCode::OK);
    for path in ["/admin/health", "/admin/health?period=day", "/metrics"] {
        let page = reader.page(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
    }
    let away = StatusCode::SERVICE_UNAVAILABLE;
    for path in ["/admin", "/admin/stock", "/admin/simulations"] {
        assert_eq!(reader.page(path).await.status, away, "{path}");
    }
    let posted = reader.post_form("/api/form/admin/audit", "").await;
    assert_eq!(posted.status, away);
    for (who, visitor) in [
        ("signed out here", &mut same_cookies),
        ("signed out elsewhere", &mut third),
    ] {
        for path in ["/admin/health", "/metrics"] {
            let answer = visitor.page(path).await;
            assert_eq!(answer.status, away, "{who}: {path}");
        }
    }
    let answer = stranger.page("/admin/health").await;
    assert_eq!(answer.header("location"), "/admin/login", "no session");

    // A round that cannot ask the database changes nothing.
    verify_once(&here).await;
    assert_eq!(reader.page("/admin/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_stops_is_alive_and_not_ready() {
    let shop = TestShop::new().await;
    let (mut probe, state) = server_of(&shop);
    assert_eq!(probe.page("/readyz").await.status, StatusCode::OK);
    state.shutdown.cancel();
    let answer = probe.page("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("stopping"), "{answer:?}");
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(probe.page("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_cannot_write_is_not_ready() {
    let shop = TestShop::new().await;
    let (mut probe, state) = server_of(&shop);
    // What a probe read of the database serves the next ones, and nothing else does.
    assert_eq!(probe.page("/readyz").await.status, StatusCode::OK);
    let long_ago = HEARTBEAT_AGE_MAX + Duration::from_secs(1);
    let long_ago = Instant::now().checked_sub(long_ago);
    state
        .health
        .heartbeat_written(long_ago.expect("the machine runs for longer"));
    let answer = probe.page("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("cannot write"), "{answer:?}");
    state.health.heartbeat_written(Instant::now());
    assert_eq!(probe.page("/readyz").await.status, StatusCode::OK);
}
