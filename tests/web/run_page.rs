//! The page of a run with six lanes: its size, the pages that it links to, and compression.

use std::io::Read;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use doorbuster::{
    model::{
        StrategyKey,
        lock_queue::{LaneLocks, LockQueue, LockSnapshot, QueuedSession},
        waterfall::{AttemptOutcome, Part, Precision, ROWS_MAX, Row, Span, Waterfall},
    },
    web::server,
};
use flate2::read::GzDecoder;
use sea_orm::FromQueryResult;
use serde_json::Value;
use tower::ServiceExt;

use super::{
    stored_runs::run,
    support::{TestShop, Visitor, every_route, state},
};

const LANES: [StrategyKey; 6] = [
    StrategyKey::RowLock,
    StrategyKey::ConditionalUpdate,
    StrategyKey::Optimistic,
    StrategyKey::SingleStatement,
    StrategyKey::MicroBatch,
    StrategyKey::Unguarded,
];

/// The largest lock snapshot and waterfall that a lane can have.
fn many_locks() -> LaneLocks {
    let session = |pid: i32| QueuedSession {
        pid,
        state: "active".to_owned(),
        statement: "UPDATE stock SET available = available - $1, sold = sold + $1 ".repeat(3),
        locks: vec!["row (12,34) of stock".to_owned()],
        for_ms: 123.456,
        statement_ms: 123.456,
        waits_for: vec![pid - 1],
        ..QueuedSession::default()
    };
    let queue = LockQueue {
        holder: session(1_000),
        waiters: (1_001..1_013).map(session).collect(),
        hidden: 40,
    };
    let spans = |number: u32| -> Vec<Span> {
        let span = |part: Part| Span {
            part,
            from_ms: f64::from(number) + 0.123,
            to_ms: f64::from(number) + 7.891,
        };
        Part::ALL.into_iter().chain(Part::ALL).map(span).collect()
    };
    let row = |buyer: u32| Row {
        buyer,
        round: 0,
        start_ms: 12.345,
        latency_ms: 678.912,
        outcome: AttemptOutcome::Bought,
        retries: 3,
        precision: Precision::Moments,
        spans: spans(buyer),
    };
    let rows = u32::try_from(ROWS_MAX).expect("a small number");
    LaneLocks {
        busiest: Some(LockSnapshot {
            queues: vec![queue; 6],
            ..LockSnapshot::default()
        }),
        waterfall: Waterfall {
            rows: (0..rows).map(row).collect(),
        },
        over: true,
        ..LaneLocks::empty(StrategyKey::RowLock)
    }
}

#[derive(FromQueryResult)]
struct LastSample {
    lane_id: i64,
    counts: String,
}

/// Stores a run with six lanes, each with as many samples and locks as a lane can have. Returns its
/// id.
async fn large_run(shop: &TestShop) -> String {
    let id = run(shop, &LANES, 1).await;
    let last: Vec<LastSample> = shop
        .by_hand
        .rows(
            "SELECT s.lane_id, s.counts FROM simulation_sample s WHERE s.elapsed_ms = \
             (SELECT max(t.elapsed_ms) FROM simulation_sample t WHERE t.lane_id = s.lane_id)",
        )
        .await;
    for LastSample { lane_id, counts } in last {
        let mut counts: Value = serde_json::from_str(&counts).expect("JSON");
        let samples = (1..=590).map(|number| {
            let elapsed_ms = 100_000 + number * 100;
            counts["elapsedMs"] = elapsed_ms.into();
            format!("({lane_id}, {elapsed_ms}, '{counts}')")
        });
        let samples: Vec<_> = samples.collect();
        let insert = format!(
            "INSERT INTO simulation_sample (lane_id, elapsed_ms, counts) VALUES {}",
            samples.join(", ")
        );
        shop.by_hand.run(&insert).await;
    }
    let locks = serde_json::to_string(&many_locks()).expect("JSON");
    let stored = shop
        .by_hand
        .run(&format!(
            "UPDATE simulation_lock_picture SET picture = '{locks}'"
        ))
        .await;
    assert_eq!(stored, LANES.len() as u64);
    id
}

/// The response to a client that accepts gzip: its headers, the size of its body, and the
/// decompressed body.
async fn compressed(visitor: &Visitor, router: &Router, path: &str) -> (HeaderMap, usize, String) {
    let request = Request::get(path)
        .header(header::ACCEPT, "text/html")
        .header(header::ACCEPT_ENCODING, "gzip, deflate")
        .header(
            header::COOKIE,
            visitor.cookie_header().expect("it is signed in"),
        );
    let request = request.body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await;
    let (parts, body) = response.expect("the router is infallible").into_parts();
    let sent = to_bytes(body, usize::MAX).await.expect("the body ends");
    let mut plain = Vec::new();
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        let read = GzDecoder::new(&*sent).read_to_end(&mut plain);
        read.expect("it is compressed with gzip");
    } else {
        plain.extend_from_slice(&sent);
    }
    // An icon is no text.
    let text = String::from_utf8_lossy(&plain).into_owned();
    (parts.headers, sent.len(), text)
}

#[tokio::test]
async fn the_page_of_six_lanes_is_small_and_links_to_everything_else() {
    let shop = TestShop::new().await;
    let id = large_run(&shop).await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let address = format!("/admin/simulations/{id}");
    let page = admin.page(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    let bytes = page.body.len();
    assert!(bytes < 150_000, "{bytes} bytes: {}", page.body);

    // 12 listed and 40 hidden sessions wait in each of the six queues.
    assert!(page.body.contains("312 sessions waited."), "{}", page.body);
    for (path, tables, caption) in [
        ("samples", 6, "Samples of this run, single-statement"),
        ("locks", 12, "First attempts: "),
    ] {
        let link = format!("href=\"{address}/{path}\"");
        assert!(page.body.contains(&link), "{link} in {}", page.body);
        let tables_page = admin.page(&format!("{address}/{path}")).await.body;
        assert_eq!(
            tables_page.matches("<table").count(),
            tables,
            "{tables_page}"
        );
        assert!(tables_page.contains(caption), "{caption} in {tables_page}");
        let unknown = "/admin/simulations/01890000-0000-7000-8000-000000000000";
        let missing = admin.page(&format!("{unknown}/{path}")).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn documents_of_a_run_are_compressed() {
    let shop = TestShop::new().await;
    let id = large_run(&shop).await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    // The first page after that renews the session's cookie.
    admin.page("/admin").await;
    let router = server::router(state(
        shop.handle(),
        shop.database.url(),
        "http://shop.test",
    ));
    let router = router.expect("the public URL is an origin");
    for path in [
        format!("/admin/simulations/{id}/samples"),
        format!("/admin/simulations/{id}/locks"),
        format!("/admin/simulations/{id}/export.json"),
        format!("/live/simulations/{id}"),
    ] {
        let (headers, sent, plain) = compressed(&admin, &router, &path).await;
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip", "{path}");
        assert_eq!(headers[header::VARY], "Accept-Encoding", "{path}");
        assert!(sent * 4 < plain.len(), "{path}: {sent} of {}", plain.len());
        let uncompressed = admin.page(&path).await;
        assert_eq!(uncompressed.header("content-encoding"), "", "{path}");
        assert_eq!(uncompressed.header("vary"), "Accept-Encoding", "{path}");
    }
}

/// A compressed document could reveal a form's key by its size.
#[tokio::test]
async fn no_document_with_a_form_or_a_cookie_is_compressed() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock], 1).await;
    let product = shop.with_product(5).await;
    let order = shop.paid(&[(&product, 1)], "ann@example.com").await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    // The first page after that renews the session's cookie.
    admin.page("/admin").await;
    let router = server::router(state(
        shop.handle(),
        shop.database.url(),
        "http://shop.test",
    ));
    let router = router.expect("the public URL is an origin");
    let pages = every_route()
        .into_iter()
        .filter(|(method, path)| *method == Method::GET && !path.starts_with("/assets/"))
        // A stream of stock or of a stepper session does not end.
        .filter(|(_, path)| !path.starts_with("/live/"))
        .map(|(_, path)| path.replace("01890000-0000-7000-8000-000000000000", &id));
    let others = [
        format!("/orders/{order}"),
        format!("/admin/orders/{order}"),
        "/products/flash-sale-smartphone".to_owned(),
        "/admin/strategies/row-lock".to_owned(),
    ];
    let mut found = Vec::new();
    for path in pages.chain(others) {
        let (headers, _, page) = compressed(&admin, &router, &path).await;
        if !headers.contains_key(header::CONTENT_ENCODING) {
            continue;
        }
        for secret in [
            "method=\"post\"",
            "name=\"idempotency_key\"",
            "ann@example.com",
        ] {
            assert!(!page.contains(secret), "{secret} in the compressed {path}");
        }
        assert!(!headers.contains_key(header::SET_COOKIE), "{path}");
        found.push(path);
    }
    for expected in [
        format!("/present/{id}"),
        format!("/admin/simulations/{id}/certificate"),
        "/admin/strategies/row-lock".to_owned(),
    ] {
        assert!(found.contains(&expected), "{expected} in {found:?}");
    }
    let page = format!("/admin/simulations/{id}");
    assert!(!found.contains(&page), "it has a form: {found:?}");
}
