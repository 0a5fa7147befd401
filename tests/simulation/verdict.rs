//! The contract's numbers, and that the database has the last word.

use std::{sync::Arc, time::Duration};

use doorbuster::{
    model::{
        SimulationPlan, StrategyKey,
        plan::{Journey, Quantities},
        sample::{Failure, Refusal},
    },
    simulation::{
        Attempt, AttemptResult, buyer::Taken, recorder::Recorder, schedule::Schedule, store,
        verdict::verdict,
    },
};

use super::{SAFE, engine, figures, only, plan, run, verdict_of};
use crate::support::{TestShop, check_audit_clean, shop::units_of};

#[tokio::test]
async fn safe_strategies_sell_exactly_what_is_there() {
    let shop = TestShop::new().await;
    for strategy in SAFE {
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
    for strategy in SAFE {
        let threes = SimulationPlan {
            quantities: Quantities::Fixed(units_of(3)),
            ..plan(strategy, 10, 20)
        };
        let verdict = verdict_of(&shop, threes).await;
        assert_eq!(
            figures(&verdict),
            (6, 4, 0, 2, 0, 0),
            "{strategy}: two units are left that no three would fit into"
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
async fn unguarded_oversells_and_the_verdict_says_so() {
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
async fn the_checkout_journey_goes_through_carts() {
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
async fn a_run_on_a_shop_product_is_seen_by_its_shoppers() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    shop.buy(&product)
        .quantity(2)
        .await
        .expect("a shopper was here before");
    let bell = shop.feed().bell();
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
    assert!(bell.has_changed().is_ok_and(|rung| rung));
    assert!(
        shop.latest_orders(50).await.expect("orders").len() == 1,
        "simulated orders are no shopper's"
    );
    check_audit_clean(&shop).await;
}

/// Shoppers go on buying during a run on their product: that is neither oversold nor undersold.
#[tokio::test]
async fn shoppers_who_buy_meanwhile_are_told_apart() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    let engine = engine(&shop);
    let plan = SimulationPlan {
        product_id: Some(product.id),
        ..plan(StrategyKey::RowLock, 10, 0)
    };
    let started = engine.start(plan).await.expect("the run starts");
    shop.buy(&product)
        .quantity(15)
        .await
        .expect("a shopper is quicker");
    let end = engine.finish(started, &[], |_| {}).await.expect("it ends");
    let verdict = only(end);
    assert_eq!(figures(&verdict), (5, 5, 0, 0, 0, 0), "{verdict:#?}");
    assert_eq!((verdict.sold, verdict.sold_to_others), (5, 15));
    assert!(verdict.invariants_held(), "{verdict:#?}");
    check_audit_clean(&shop).await;
}

/// Buyers who were told yes, and orders that are not there: the verdict believes the database.
#[tokio::test]
async fn the_verdict_believes_the_database() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let plan = plan(StrategyKey::RowLock, 3, 10);
    let ask = Schedule::of(Arc::new(plan.clone())).ask(0, 0);
    let told = |recorder: &Recorder, result: AttemptResult| {
        let taken = Taken::default();
        recorder.record(&ask, Duration::from_millis(1), Attempt { result, taken });
    };
    let ground = async || {
        store::ground(shop.db(), product.id, 0)
            .await
            .expect("it is asked")
    };
    let start = ground().await;
    let judged = |end, recorder: &Recorder| {
        let elapsed = Duration::from_secs(1);
        verdict(&plan, StrategyKey::RowLock, (start, end), recorder, elapsed)
    };
    let recorder = Recorder::new();
    told(&recorder, AttemptResult::Bought("lost".to_owned()));
    let lost = judged(ground().await, &recorder);
    assert_eq!((lost.succeeded, lost.sold), (1, 0));
    assert!(!lost.invariants_held(), "an acknowledged order is lost");

    let recorder = Recorder::new();
    told(&recorder, AttemptResult::Rejected(Refusal::SoldOut));
    told(
        &recorder,
        AttemptResult::Failed(Failure::OtherFault, "planted".to_owned()),
    );
    recorder.settle(|_| false);
    let undersold = judged(ground().await, &recorder);
    assert_eq!(
        undersold.undersold, 2,
        "two went without while ten were left"
    );
    assert!(!undersold.invariants_held());

    shop.buy(&product).quantity(10).await.expect("sold");
    let others = judged(ground().await, &Recorder::new());
    assert_eq!(
        (others.sold, others.sold_to_others, others.undersold),
        (0, 10, 0)
    );
    assert!(others.invariants_held(), "{others:#?}");
    check_audit_clean(&shop).await;
}
