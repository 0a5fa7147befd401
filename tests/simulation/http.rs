//! Buyers over HTTP: against a real server, and against one with scripted responses.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use doorbuster::{
    model::{
        Quantity, SimulationPlan, StrategyKey, Verdict,
        lock_queue::LockScope,
        plan::{Arrivals, FaultKind, Faults},
        sample::RejectionReason,
        waterfall::{Precision, Row},
    },
    simulation::{
        AttemptResult, Storefront,
        buyer::{AttemptRequest, Failover, HttpClient, OverHttp},
        run_secret::RunSecret,
    },
    web::{AppState, rate_limit::RateLimits, server},
};
use tokio::net::TcpListener;
use url::Url;

use super::{RUN_MAX, engine, figures, only, orders, plan, start_run};
use crate::{
    support::{TestShop, check_audit_clean, within},
    web::support::parts,
};

/// Serves `router` for as long as the test lives.
pub async fn serve(router: Router) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Url::parse(&format!("http://{address}")).expect("a URL")
}

/// Serves the complete shop, with a rate limit for purchases if one is given.
async fn serve_shop(shop: &TestShop, purchase_rate_per_s: Option<u32>) -> Url {
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.limits = RateLimits::new(purchase_rate_per_s.and_then(NonZeroU32::new)).into();
    serve(server::router(AppState::new(parts)).expect("the public URL is an origin")).await
}

async fn verdict_at(shop: &TestShop, targets: &[Url], plan: SimulationPlan) -> Verdict {
    let engine = engine(shop);
    let started = start_run(&engine, plan).await;
    let end = engine.finish(started, targets, |_| {});
    let end = within(RUN_MAX, "the run's end", end).await;
    only(end.expect("it ends with a verdict"))
}

#[tokio::test]
async fn buyers_over_http_get_the_same_figures() {
    let shop = TestShop::new().await;
    let targets = [serve_shop(&shop, None).await, serve_shop(&shop, None).await];
    for arrivals in [Arrivals::Closed, Arrivals::Open { rate_per_s: 200 }] {
        let plan = SimulationPlan {
            arrivals,
            rounds: 2,
            ..plan(StrategyKey::ConditionalUpdate, 15, 20)
        };
        let verdict = verdict_at(&shop, &targets, plan).await;
        assert_eq!(figures(&verdict), (20, 10, 0, 0, 0, 0), "{verdict:#?}");
        assert!(verdict.invariants_held(), "{verdict:#?}");
    }
    check_audit_clean(&shop).await;
}

/// For buyers at other servers, the lock view shows only the total latency.
#[tokio::test]
async fn the_lock_view_shows_only_total_latencies_of_buyers_over_http() {
    let shop = TestShop::new().await;
    let targets = [serve_shop(&shop, None).await];
    let engine = engine(&shop);
    let started = start_run(&engine, plan(StrategyKey::RowLock, 5, 3)).await;
    let live = started.run.clone();
    engine
        .finish(started, &targets, |_| {})
        .await
        .expect("it ends with a verdict");
    let locks = live.locks().remove(0);
    assert_eq!(locks.scope, LockScope::Shops);
    assert_eq!(locks.waterfall.rows.len(), 5);
    assert_eq!(locks.waterfall.precision(), Precision::Whole);
    let bare = |row: &Row| row.spans.is_empty() && row.latency_ms > 0.0;
    assert!(locks.waterfall.rows.iter().all(bare), "{locks:#?}");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn double_clicks_and_abandoned_attempts_over_http_keep_the_figures_exact() {
    let shop = TestShop::new().await;
    let targets = [serve_shop(&shop, None).await];
    for (faults, failed_max) in [("double-click=100", 0), ("abandon=50,double-click=50", 30)] {
        let before = orders(&shop).await;
        let plan = SimulationPlan {
            faults: Faults::parse(faults).expect("faults"),
            ..plan(StrategyKey::RowLock, 30, 12)
        };
        let verdict = verdict_at(&shop, &targets, plan).await;
        assert!(verdict.invariants_held(), "{verdict:#?}");
        assert_eq!(
            i64::try_from(verdict.succeeded),
            Ok(orders(&shop).await - before)
        );
        assert!(
            verdict.failed <= failed_max && verdict.failed == verdict.cut_off,
            "{verdict:#?}"
        );
    }
    check_audit_clean(&shop).await;
}

/// A rate limit of two purchases per second: every buyer retries, and no attempt fails.
#[tokio::test]
async fn buyers_retry_after_a_429_response() {
    let shop = TestShop::new().await;
    let target = serve_shop(&shop, Some(2)).await;
    let verdict = verdict_at(&shop, &[target], plan(StrategyKey::RowLock, 7, 5)).await;
    assert_eq!(figures(&verdict), (5, 2, 0, 0, 0, 0), "{verdict:#?}");
    assert!(
        verdict.retries > 0,
        "some attempts were rate-limited: {verdict:#?}"
    );
    let waited = verdict.time_split_ms.backoff;
    assert!(waited > 0.0, "{verdict:#?}");
    check_audit_clean(&shop).await;
}

/// A server that returns its answers in turn, then repeats the last one. It records the keys.
#[derive(Clone)]
struct Script {
    answers: Arc<[(u16, &'static str)]>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn of(answers: &[(u16, &'static str)]) -> Self {
        Self {
            answers: answers.into(),
            keys: Arc::default(),
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let mut keys = self.keys.lock().expect("no panic under this lock");
        let key = headers["idempotency-key"].to_str().expect("text");
        keys.push(key.to_owned());
        let turn = (keys.len() - 1).min(self.answers.len() - 1);
        let (status, body) = self.answers[turn];
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [(RETRY_AFTER, "1")], body).into_response()
    }

    async fn buy(&self, fault: Option<FaultKind>) -> (AttemptResult, u32, Vec<String>) {
        let script = self.clone();
        let handler = move |headers: HeaderMap| async move { script.answer(&headers) };
        let target = serve(Router::new().route("/api/purchase", post(handler))).await;
        let buyer = OverHttp {
            http: HttpClient::new(&[target], Failover::ToNextServer).expect("a client"),
            strategy: StrategyKey::RowLock,
            secret: RunSecret::random(),
        };
        let request = AttemptRequest {
            buyer: 0,
            product_id: 1,
            quantity: Quantity::ONE,
            key: "one-key".to_owned(),
            lane_id: 1,
            fault,
            patience: Duration::ZERO,
        };
        let attempt = within(RUN_MAX, "an answer", buyer.buy(request)).await;
        let keys = self.keys.lock().expect("no panic under this lock").clone();
        (attempt.result, attempt.cost.retries, keys)
    }
}

const YES: (u16, &str) = (200, r#"{"message":"","remainingStock":1,"orderId":"o-1"}"#);
const NO: (u16, &str) = (409, r#"{"detail":"Insufficient stock"}"#);
const BUSY: (u16, &str) = (503, r#"{"detail":"busy"}"#);
const TRUNCATED: (u16, &str) = (200, r#"{"message":"Purch"#);
const LATER: (u16, &str) = (429, r#"{"detail":"later"}"#);

#[tokio::test]
async fn a_lost_answer_is_retried_with_the_same_key() {
    let (result, retries, keys) = Script::of(&[BUSY, TRUNCATED, YES]).buy(None).await;
    assert_eq!(result, AttemptResult::Bought("o-1".to_owned()));
    assert_eq!((retries, keys), (2, vec!["one-key".to_owned(); 3]));
    let (result, retries, _) = Script::of(&[BUSY, NO]).buy(None).await;
    assert_eq!(result, AttemptResult::Rejected(RejectionReason::SoldOut));
    assert_eq!(retries, 1);
    let (result, retries, keys) = Script::of(&[BUSY]).buy(None).await;
    assert!(matches!(result, AttemptResult::Failed(..)), "{result:?}");
    assert_eq!((retries, keys.len()), (5, 6));
}

#[tokio::test]
async fn retry_after_is_honoured_and_does_not_count_as_a_retry_of_an_error() {
    let start = Instant::now();
    let (result, retries, _) = Script::of(&[LATER, BUSY, BUSY, BUSY, BUSY, BUSY, YES])
        .buy(None)
        .await;
    assert_eq!(result, AttemptResult::Bought("o-1".to_owned()));
    assert_eq!(retries, 6);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn both_answers_to_a_double_click_are_compared() {
    let other = (200, r#"{"message":"","remainingStock":0,"orderId":"o-2"}"#);
    let clicks = Some(FaultKind::DoubleClick);
    let (result, _, keys) = Script::of(&[YES, YES]).buy(clicks).await;
    assert_eq!(result, AttemptResult::Bought("o-1".to_owned()));
    assert_eq!(keys, ["one-key", "one-key"]);
    for second in [other, NO] {
        let (result, ..) = Script::of(&[YES, second]).buy(clicks).await;
        assert!(
            matches!(result, AttemptResult::Contradicted(_)),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn an_unreachable_server_fails_every_attempt() {
    let shop = TestShop::new().await;
    let unreachable = Url::parse("http://127.0.0.1:1").expect("a URL");
    let verdict = verdict_at(&shop, &[unreachable], plan(StrategyKey::RowLock, 3, 2)).await;
    assert_eq!((verdict.failed, verdict.attempts, verdict.sold), (3, 3, 0));
    assert_eq!(verdict.undersold, 0, "failed is not rejected");
    check_audit_clean(&shop).await;
}
