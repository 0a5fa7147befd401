//! The numbers of the contract, and the verdict from the database.

use std::{sync::Arc, time::Duration};

use doorbuster::{
    model::{
        SimulationPlan, StrategyKey,
        plan::{Journey, Quantities},
        sample::{FailureKind, RejectionReason},
    },
    simulation::{
        Attempt, AttemptResult, buyer::AttemptCost, recorder::Recorder, schedule::Schedule, store,
        verdict::verdict,
    },
};

use super::{TWO_SAFE, engine, figures, only, plan, run, start_run, verdict_of};
use crate::support::{TestShop, check_audit_clean, shop::units_of};

#[tokio::test]
async fn safe_strategies_sell_exactly_the_stock() {
    let shop = TestShop::new().await;
    for strategy in TWO_SAFE {
        for (buyers, stock, window, expected) in [
            (33, 20, 0, (20, 13, 0, 0, 0, 0)),
            (33, 20, 2, (20, 13, 0, 0, 0, 0)),
            (10, 5, 0, (5, 5, 0, 0, 0, 0)),
            (5, 8, 0, (5, 0, 0, 3, 0, 0)),
            (7, 0, 0, (0, 7, 0, 0, 0, 0)),
            (1, 1, 0, (1, 0, 0, 0, 0, 0)),
        ] {
            let plan = SimulationPlan {
                race_window_ms: window,
                ..plan(strategy, buyers, stock)
            };
            let verdict = verdict_of(&shop, plan).await;
            assert_eq!(
                figures(&verdict),
                expected,
                "{strategy}, {buyers} buyers, {stock} units"
            );
            assert!(verdict.invariants_held() && verdict.safe, "{verdict:#?}");
            assert_eq!(
                verdict.sold,
                i64::try_from(verdict.succeeded).expect("small")
            );
            assert_eq!(verdict.attempts, u64::from(buyers));
        }
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn quantities_and_rounds_multiply() {
    let shop = TestShop::new().await;
    for strategy in TWO_SAFE {
        let threes = SimulationPlan {
            quantities: Quantities::Fixed(units_of(3)),
            ..plan(strategy, 10, 20)
        };
        let verdict = verdict_of(&shop, threes).await;
        assert_eq!(
            figures(&verdict),
            (6, 4, 0, 2, 0, 0),
            "{strategy}: two units remain, too few for an attempt of three"
        );
        assert_eq!((verdict.sold, verdict.quantity), (18, 3));
        assert!(verdict.invariants_held(), "{verdict:#?}");

        let rounds = SimulationPlan {
            rounds: 4,
            ..plan(strategy, 8, 20)
        };
        let verdict = verdict_of(&shop, rounds).await;
        assert_eq!(figures(&verdict), (20, 12, 0, 0, 0, 0), "{strategy}");
        assert_eq!((verdict.attempts, verdict.rounds), (32, 4));
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_verdict_reports_that_unguarded_oversells() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        race_window_ms: 5,
        ..plan(StrategyKey::Unguarded, 100, 10)
    };
    let verdict = verdict_of(&shop, plan).await;
    assert!(verdict.oversold > 0 && !verdict.safe, "{verdict:#?}");
    assert_eq!(verdict.sold, verdict.stock + verdict.oversold);
    assert!(!verdict.invariants_held());
    assert_eq!(verdict.attempts, 100);
    let report = shop.audit().await;
    assert_eq!(
        report
            .exhibits
            .iter()
            .map(|exhibit| exhibit.oversold)
            .collect::<Vec<_>>(),
        [verdict.oversold]
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_checkout_journey_uses_carts_and_contacts() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        journey: Journey::Checkout,
        ..plan(StrategyKey::RowLock, 12, 7)
    };
    let verdict = verdict_of(&shop, plan).await;
    assert_eq!(figures(&verdict), (7, 5, 0, 0, 0, 0), "{verdict:#?}");
    let contacts: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM customer_order WHERE email LIKE '%@simulation.invalid'")
        .await;
    assert_eq!(contacts, 7);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_run_on_a_shop_product_updates_the_stock_that_shoppers_see() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    shop.buy(&product)
        .quantity(2)
        .await
        .expect("a shopper buys before the run");
    let changes = shop.feed().subscribe();
    let plan = SimulationPlan {
        product_id: Some(product.id),
        ..plan(StrategyKey::ConditionalUpdate, 33, 0)
    };
    let end = run(&shop, plan).await;
    let lane = end.lanes[0].clone();
    let verdict = only(end);
    assert_eq!(figures(&verdict), (18, 15, 0, 0, 0, 0), "{verdict:#?}");
    assert_eq!(
        (lane.product_name, lane.stock, verdict.sold_to_others),
        (product.name.clone(), 18, 0)
    );
    assert!(verdict.invariants_held(), "{verdict:#?}");
    assert_eq!(
        shop.feed()
            .latest(&[product.id])
            .first()
            .map(|change| change.available),
        Some(0)
    );
    assert!(changes.has_changed().is_ok_and(|changed| changed));
    assert!(
        shop.orders().latest(50).await.expect("orders").len() == 1,
        "simulated orders are not listed among the shop's"
    );
    check_audit_clean(&shop).await;
}

/// Shoppers buy during a run on the same product: their units are neither oversold nor undersold.
#[tokio::test]
async fn purchases_of_shoppers_are_counted_separately() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    let engine = engine(&shop);
    let plan = SimulationPlan {
        product_id: Some(product.id),
        ..plan(StrategyKey::RowLock, 10, 0)
    };
    let started = start_run(&engine, plan).await;
    shop.buy(&product)
        .quantity(15)
        .await
        .expect("a shopper buys first");
    let end = engine.finish(started, &[], |_| {}).await.expect("it ends");
    let verdict = only(end);
    assert_eq!(figures(&verdict), (5, 5, 0, 0, 0, 0), "{verdict:#?}");
    assert_eq!((verdict.sold, verdict.sold_to_others), (5, 15));
    assert!(verdict.invariants_held(), "{verdict:#?}");
    check_audit_clean(&shop).await;
}

/// Buyers received answers that the database contradicts: the verdict follows the database.
#[tokio::test]
async fn the_verdict_follows_the_database() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let plan = plan(StrategyKey::RowLock, 3, 10);
    let planned = Schedule::of(Arc::new(plan.clone())).attempt(0, 0);
    let record = |recorder: &Recorder, result: AttemptResult| {
        let cost = AttemptCost::default();
        recorder.record(&planned, Duration::from_millis(1), Attempt { result, cost });
    };
    let snapshot = async || {
        store::read_stock_snapshot(shop.db(), product.id, 0)
            .await
            .expect("the stock is read")
    };
    let start = snapshot().await;
    let judged = |end, recorder: &Recorder| {
        let elapsed = Duration::from_secs(1);
        verdict(&plan, StrategyKey::RowLock, (start, end), recorder, elapsed)
    };
    let recorder = Recorder::new();
    record(&recorder, AttemptResult::Bought("lost".to_owned()));
    let lost = judged(snapshot().await, &recorder);
    assert_eq!((lost.succeeded, lost.sold), (1, 0));
    assert!(!lost.invariants_held(), "an acknowledged order is lost");

    let recorder = Recorder::new();
    record(&recorder, AttemptResult::Rejected(RejectionReason::SoldOut));
    record(
        &recorder,
        AttemptResult::Failed(FailureKind::OtherFault, "planted".to_owned()),
    );
    recorder.resolve(|_| false);
    let undersold = judged(snapshot().await, &recorder);
    assert_eq!(
        (undersold.undersold, undersold.failed),
        (1, 1),
        "one attempt was rejected while ten units remain; the other failed"
    );
    assert!(!undersold.invariants_held());

    let recorder = Recorder::new();
    record(
        &recorder,
        AttemptResult::Failed(FailureKind::NoConnection, "planted".to_owned()),
    );
    recorder.resolve(|_| false);
    let failed = judged(snapshot().await, &recorder);
    assert_eq!((failed.undersold, failed.failed), (0, 1));
    assert!(failed.invariants_held(), "{failed:#?}");

    shop.buy(&product).quantity(10).await.expect("sold");
    let others = judged(snapshot().await, &Recorder::new());
    assert_eq!(
        (others.sold, others.sold_to_others, others.undersold),
        (0, 10, 0)
    );
    assert!(others.invariants_held(), "{others:#?}");
    check_audit_clean(&shop).await;
}
