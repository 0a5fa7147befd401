//! Injected faults: the figures stay exact, and the verdict accounts for every attempt.

use std::sync::Arc;

use doorbuster::{
    model::{
        SimulationPlan, StrategyKey, Verdict,
        plan::{FaultKind, Faults, Journey, Share},
    },
    simulation::schedule::Schedule,
};

use super::{TWO_SAFE, figures, orders, plan, verdict_of};
use crate::support::{TestShop, check_audit_clean, shop::long_key};

fn faulty(plan: SimulationPlan, kind: FaultKind, percent: u32) -> SimulationPlan {
    SimulationPlan {
        faults: Faults::of([(kind, Share::percent(percent))]),
        ..plan
    }
}

/// Returns the plan with the first seed that injects `kind` into exactly `count` attempts.
fn with_exactly(count: usize, kind: FaultKind, plan: SimulationPlan) -> SimulationPlan {
    let matches = |seed: &u64| {
        let seed = *seed;
        let schedule = Schedule::of(Arc::new(SimulationPlan {
            seed,
            ..plan.clone()
        }));
        let attempts = (0..plan.buyers).map(|buyer| schedule.attempt(buyer, 0));
        attempts
            .filter(|planned| planned.fault == Some(kind))
            .count()
            == count
    };
    let seed = (0..).find(matches).expect("some seed does");
    SimulationPlan { seed, ..plan }
}

#[track_caller]
fn check_exact(verdict: &Verdict, orders: i64) {
    assert!(verdict.invariants_held(), "{verdict:#?}");
    assert_eq!(i64::try_from(verdict.succeeded), Ok(orders), "{verdict:#?}");
    assert_eq!(verdict.contradicted, 0);
    assert_eq!(
        verdict.succeeded + verdict.rejected + verdict.failed,
        verdict.attempts
    );
}

#[tokio::test]
async fn figures_stay_exact_when_half_of_the_attempts_have_a_fault() {
    let shop = TestShop::new().await;
    for kind in [
        FaultKind::DropConnection,
        FaultKind::Abandon,
        FaultKind::DoubleClick,
    ] {
        for strategy in TWO_SAFE {
            let before = orders(&shop).await;
            let verdict = verdict_of(&shop, faulty(plan(strategy, 40, 15), kind, 50)).await;
            check_exact(&verdict, orders(&shop).await - before);
            assert_eq!(
                (verdict.succeeded, verdict.remaining),
                (15, 0),
                "the attempts without a fault buy all units: {verdict:#?}"
            );
        }
    }
    check_audit_clean(&shop).await;
}

/// The frozen attempt has no order. The other buyers wait until the database releases its lock.
#[tokio::test]
async fn only_the_frozen_attempt_fails() {
    let shop = TestShop::new().await;
    let plan = faulty(plan(StrategyKey::RowLock, 3, 3), FaultKind::Freeze, 30);
    let verdict = verdict_of(&shop, with_exactly(1, FaultKind::Freeze, plan)).await;
    check_exact(&verdict, orders(&shop).await);
    assert_eq!(
        figures(&verdict),
        (2, 0, 1, 1, 0, 0),
        "one unit remains, and that is not undersold: {verdict:#?}"
    );
    assert_eq!(verdict.cut_off, 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn only_attempts_with_a_dropped_connection_fail() {
    let shop = TestShop::new().await;
    for strategy in TWO_SAFE {
        let plan = faulty(plan(strategy, 6, 6), FaultKind::DropConnection, 30);
        let verdict = verdict_of(&shop, with_exactly(2, FaultKind::DropConnection, plan)).await;
        assert!(verdict.invariants_held(), "{verdict:#?}");
        assert_eq!(figures(&verdict), (4, 0, 2, 2, 0, 0), "{strategy}");
        assert_eq!(verdict.cut_off, 2);
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_slow_statement_delays_the_attempt_but_does_not_fail_it() {
    let shop = TestShop::new().await;
    let plan = faulty(
        plan(StrategyKey::RowLock, 3, 3),
        FaultKind::SlowStatement,
        30,
    );
    let verdict = verdict_of(&shop, with_exactly(1, FaultKind::SlowStatement, plan)).await;
    check_exact(&verdict, orders(&shop).await);
    assert_eq!(figures(&verdict), (3, 0, 0, 0, 0, 0), "{verdict:#?}");
    assert!(verdict.latency_ms.max >= 500.0, "{:?}", verdict.latency_ms);
}

/// No buyer waits for the answer, and the shop finishes every transaction: the database has every
/// order.
#[tokio::test]
async fn an_abandoned_attempt_still_creates_its_order() {
    let shop = TestShop::new().await;
    for strategy in TWO_SAFE {
        let before = orders(&shop).await;
        let plan = SimulationPlan {
            race_window_ms: 5,
            ..faulty(plan(strategy, 12, 20), FaultKind::Abandon, 100)
        };
        let verdict = verdict_of(&shop, plan).await;
        check_exact(&verdict, orders(&shop).await - before);
        assert_eq!(figures(&verdict), (12, 0, 0, 8, 0, 0), "{strategy}");
        assert!(
            verdict.latency_ms.max < f64::EPSILON,
            "no buyer received an answer: {:?}",
            verdict.latency_ms
        );
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_double_click_creates_one_order() {
    let shop = TestShop::new().await;
    for journey in [Journey::Express, Journey::Checkout] {
        let before = orders(&shop).await;
        let plan = SimulationPlan {
            journey,
            ..faulty(
                plan(StrategyKey::RowLock, 14, 8),
                FaultKind::DoubleClick,
                100,
            )
        };
        let verdict = verdict_of(&shop, plan).await;
        check_exact(&verdict, orders(&shop).await - before);
        assert_eq!(figures(&verdict), (8, 6, 0, 0, 0, 0), "{journey:?}");
        assert_eq!(verdict.sold, 8);
    }
    check_audit_clean(&shop).await;
}

/// The reservation of an abandoned cart lasts until it expires. Its units are not lost.
#[tokio::test]
async fn an_abandoned_checkout_leaves_its_units_reserved() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        journey: Journey::Checkout,
        ..faulty(plan(StrategyKey::RowLock, 6, 10), FaultKind::Abandon, 100)
    };
    let verdict = verdict_of(&shop, plan).await;
    check_exact(&verdict, orders(&shop).await);
    assert_eq!((verdict.succeeded, verdict.cut_off), (0, 6));
    assert_eq!(verdict.remaining + verdict.held, 10);
    assert!(
        verdict.held >= 5,
        "at least five of the six reserved their units: {verdict:#?}"
    );
    check_audit_clean(&shop).await;
}

/// A request that arrives after its key was closed is rejected.
#[tokio::test]
async fn a_closed_key_cannot_buy() {
    use doorbuster::{model::ShopError, simulation::store};
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let bought = shop.buy(&product).key("done").await.expect("it is sold");
    let keys = vec![long_key("late"), long_key("done")];
    for _ in 0..2 {
        let ordered = store::close_keys(shop.db(), keys.clone()).await;
        let ordered: Vec<_> = ordered.expect("they are closed").into_iter().collect();
        assert_eq!(ordered, [long_key("done")]);
    }
    let late = shop.buy(&product).key("late").await;
    assert_eq!(late, Err(ShopError::IdempotencyKeyReused));
    let again = shop.buy(&product).key("done").await;
    assert_eq!(again.map(|receipt| receipt.order_id), Ok(bought.order_id));
    assert_eq!(shop.level(&product).await.available, 4);
    check_audit_clean(&shop).await;
}

/// Closing a key waits for a transaction that still holds it.
#[tokio::test]
async fn closing_a_key_waits_for_its_transaction() {
    use crate::support::{Gate, PATIENCE, within};
    use doorbuster::simulation::store;
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let gate = Gate::closed();
    let buying = shop
        .buy(&product)
        .key("slow")
        .at(gate.injection_point())
        .spawn();
    gate.arrivals(1).await;
    let db = shop.db().clone();
    let closing = tokio::spawn(async move { store::close_keys(&db, vec![long_key("slow")]).await });
    shop.until_blocked(1).await;
    gate.open();
    let ordered = within(PATIENCE, "the key is closed", closing).await;
    let ordered = ordered.expect("it ends").expect("it is closed");
    assert_eq!(ordered.into_iter().collect::<Vec<_>>(), [long_key("slow")]);
    assert!(buying.await.expect("it ends").is_ok());
    check_audit_clean(&shop).await;
}
