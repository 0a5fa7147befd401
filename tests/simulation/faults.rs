//! What goes wrong on purpose: the books stay exact, and the verdict says what came of each attempt.

use std::{sync::Arc, time::Duration};

use doorbuster::{
    model::{
        SimulationPlan, StrategyKey, Verdict,
        plan::{FaultKind, Faults, Journey, Share},
    },
    simulation::schedule::Schedule,
};

use super::{SAFE, figures, orders, plan, verdict_of};
use crate::support::{TestShop, check_audit_clean};

fn faulty(plan: SimulationPlan, kind: FaultKind, percent: u32) -> SimulationPlan {
    SimulationPlan {
        faults: Faults::of([(kind, Share::percent(percent))]),
        ..plan
    }
}

/// The same under the first seed that lets exactly `count` attempts meet `kind`.
fn with_exactly(count: usize, kind: FaultKind, plan: SimulationPlan) -> SimulationPlan {
    let meet = |seed: &u64| {
        let seed = *seed;
        let schedule = Schedule::of(Arc::new(SimulationPlan {
            seed,
            ..plan.clone()
        }));
        let asks = (0..plan.buyers).map(|buyer| schedule.ask(buyer, 0));
        asks.filter(|ask| ask.fault == Some(kind)).count() == count
    };
    let seed = (0..).find(meet).expect("one of all seeds does");
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
async fn half_of_the_crowd_meets_a_fault_and_the_books_stay_exact() {
    for kind in [
        FaultKind::DropConnection,
        FaultKind::Abandon,
        FaultKind::DoubleClick,
    ] {
        for strategy in SAFE {
            let shop = TestShop::new().await;
            let verdict = verdict_of(&shop, faulty(plan(strategy, 40, 15), kind, 50)).await;
            check_exact(&verdict, orders(&shop).await);
            assert_eq!(
                (verdict.succeeded, verdict.remaining),
                (15, 0),
                "those whom nothing befell suffice: {verdict:#?}"
            );
            check_audit_clean(&shop).await;
        }
    }
}

/// Who froze has no order, and has nobody to blame; the others wait until the database lets go of the lock.
#[tokio::test]
async fn a_buyer_who_freezes_with_the_lock_fails_alone() {
    let shop = TestShop::new().await;
    let plan = faulty(plan(StrategyKey::RowLock, 3, 3), FaultKind::Freeze, 30);
    let verdict = verdict_of(&shop, with_exactly(1, FaultKind::Freeze, plan)).await;
    check_exact(&verdict, orders(&shop).await);
    assert_eq!(
        figures(&verdict),
        (2, 0, 1, 1, 0, 0),
        "a unit is left, and that is not undersold: {verdict:#?}"
    );
    assert_eq!(verdict.cut_off, 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_buyer_whose_connection_is_cut_fails_alone() {
    let shop = TestShop::new().await;
    for strategy in SAFE {
        let plan = faulty(plan(strategy, 6, 6), FaultKind::DropConnection, 30);
        let verdict = verdict_of(&shop, with_exactly(2, FaultKind::DropConnection, plan)).await;
        assert!(verdict.invariants_held(), "{verdict:#?}");
        assert_eq!(figures(&verdict), (4, 0, 2, 2, 0, 0), "{strategy}");
        assert_eq!(verdict.cut_off, 2);
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_slow_statement_is_waited_for() {
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

/// Nobody waits for an answer, and the shop finishes what it began: the database knows of every order.
#[tokio::test]
async fn who_leaves_midway_has_ordered_all_the_same() {
    for strategy in SAFE {
        let shop = TestShop::new().await;
        let plan = SimulationPlan {
            race_window_ms: 5,
            ..faulty(plan(strategy, 12, 20), FaultKind::Abandon, 100)
        };
        let verdict = verdict_of(&shop, plan).await;
        check_exact(&verdict, orders(&shop).await);
        assert_eq!(figures(&verdict), (12, 0, 0, 8, 0, 0), "{strategy}");
        assert!(
            verdict.latency_ms.max < f64::EPSILON,
            "nobody had an answer: {:?}",
            verdict.latency_ms
        );
        check_audit_clean(&shop).await;
    }
}

#[tokio::test]
async fn a_double_click_is_one_order() {
    for journey in [Journey::Express, Journey::Checkout] {
        let shop = TestShop::new().await;
        let plan = SimulationPlan {
            journey,
            ..faulty(
                plan(StrategyKey::RowLock, 14, 8),
                FaultKind::DoubleClick,
                100,
            )
        };
        let verdict = verdict_of(&shop, plan).await;
        check_exact(&verdict, orders(&shop).await);
        assert_eq!(figures(&verdict), (8, 6, 0, 0, 0, 0), "{journey:?}");
        assert_eq!(verdict.sold, 8);
        check_audit_clean(&shop).await;
    }
}

/// A cart that was left behind keeps what was set aside for it, until that runs out: neither sold nor lost.
#[tokio::test]
async fn who_leaves_a_checkout_leaves_units_set_aside() {
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
        "all but the last are surely set aside: {verdict:#?}"
    );
    check_audit_clean(&shop).await;
}

/// A key that was closed while its attempt was still on its way: nothing comes of it any more.
#[tokio::test]
async fn a_closed_key_buys_nothing_afterwards() {
    use doorbuster::{model::ShopError, simulation::store};
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let bought = shop.buy(&product).key("done").await.expect("it is sold");
    let keys = vec!["late".to_owned(), "done".to_owned()];
    for _ in 0..2 {
        let ordered = store::close_keys(shop.db(), keys.clone()).await;
        let ordered: Vec<_> = ordered.expect("they are closed").into_iter().collect();
        assert_eq!(ordered, ["done"]);
    }
    let late = shop.buy(&product).key("late").await;
    assert_eq!(late, Err(ShopError::IdempotencyKeyReused));
    let again = shop.buy(&product).key("done").await;
    assert_eq!(again.map(|receipt| receipt.order_id), Ok(bought.order_id));
    assert_eq!(shop.level(&product).await.available, 4);
    check_audit_clean(&shop).await;
}

/// Whoever is still at work under a key is waited for.
#[tokio::test]
async fn closing_a_key_waits_for_who_works_under_it() {
    use crate::support::{Gate, within};
    use doorbuster::simulation::store;
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let gate = Gate::closed();
    let buying = shop.buy(&product).key("slow").at(gate.seam()).spawn();
    gate.arrivals(1).await;
    let db = shop.db().clone();
    let closing =
        tokio::spawn(async move { store::close_keys(&db, vec!["slow".to_owned()]).await });
    shop.until_blocked(1).await;
    gate.open();
    let limit = Duration::from_secs(20);
    let ordered = within(limit, "the key is closed", closing).await;
    let ordered = ordered.expect("it ends").expect("it is closed");
    assert_eq!(ordered.into_iter().collect::<Vec<_>>(), ["slow"]);
    assert!(buying.await.expect("it ends").is_ok());
    check_audit_clean(&shop).await;
}
