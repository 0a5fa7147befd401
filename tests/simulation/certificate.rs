//! A run's certificate: what the database says of its units afterwards, asked again for each.

use doorbuster::{
    model::{RunSnapshot, ShopError, SimulationPlan, StrategyKey},
    simulation::{
        certificate::{Audited, Certificate, Standing},
        store,
    },
};
use uuid::Uuid;

use super::{SAFE, plan, run};
use crate::support::{TestShop, check_audit_clean};

async fn certificate(shop: &TestShop, run: &RunSnapshot) -> Certificate {
    let id = run.id.parse().expect("a run's id");
    store::certify(shop.db(), id)
        .await
        .expect("it is certified")
}

/// `(initial, remaining, held, sold, sold to others)` of the lane.
fn balance(certificate: &Certificate, lane: usize) -> (i64, i64, i64, i64, i64) {
    let evidence = certificate.lanes[lane].evidence.as_ref();
    let balance = evidence.expect("its rows are there").balance();
    (
        balance.initial,
        balance.remaining,
        balance.held,
        balance.sold,
        balance.sold_to_others,
    )
}

#[tokio::test]
async fn a_safe_run_adds_up_on_every_layout_of_stock() {
    let shop = TestShop::new().await;
    let layouts = [StrategyKey::Buckets, StrategyKey::SkipLockedUnits];
    for strategy in SAFE.into_iter().chain(layouts) {
        let run = run(&shop, plan(strategy, 9, 5)).await;
        let certificate = certificate(&shop, &run).await;
        assert_eq!(
            certificate.standing(),
            Standing::Holds,
            "{strategy}: {certificate:?}"
        );
        assert_eq!(balance(&certificate, 0), (5, 0, 0, 5, 0), "{strategy}");
        let Audited::Now(report) = &certificate.audited else {
            panic!("{strategy}: not audited: {:?}", certificate.audited);
        };
        assert!(report.is_clean());
        // What is shown as the answer is the database's: the same statement by hand says the same.
        let evidence = certificate.lanes[0].evidence.as_ref().expect("evidence");
        for answered in &evidence.answers {
            let mut sql = answered.question.sql.to_owned();
            for (index, value) in answered.parameters.iter().enumerate() {
                sql = sql.replace(&format!("${}", index + 1), &value.to_string());
            }
            let (_, first) = answered.figures[0];
            let by_hand: i64 = shop.by_hand.value(&sql).await;
            assert_eq!(by_hand, first, "{sql}");
        }
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_exhibit_says_what_it_lost() {
    let shop = TestShop::new().await;
    let both = SimulationPlan {
        strategies: vec![StrategyKey::RowLock, StrategyKey::Unguarded],
        race_window_ms: 30,
        ..plan(StrategyKey::RowLock, 12, 4)
    };
    let run = run(&shop, both).await;
    let certificate = certificate(&shop, &run).await;
    let oversold = run.lanes[1].verdict.as_ref().expect("a verdict").oversold;
    assert!(oversold > 0, "the exhibit broke");
    assert_eq!(certificate.lanes[0].standing, Standing::Holds);
    assert_eq!(certificate.lanes[1].standing, Standing::Exhibit);
    let sentence = certificate.sentence();
    assert!(
        sentence.contains(&format!("unguarded: {oversold} units were sold")),
        "{sentence}"
    );
    let (initial, _, _, sold, _) = balance(&certificate, 1);
    assert_eq!((initial, sold), (4, 4 + oversold));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn on_a_product_of_the_shop_others_count_too() {
    let shop = TestShop::new().await;
    let product = shop
        .product()
        .named("<b>Phone</b>")
        .stock(30)
        .create()
        .await;
    shop.buy(&product)
        .quantity(4)
        .await
        .expect("a shopper was first");
    let on_shop = SimulationPlan {
        product_id: Some(product.id),
        ..plan(StrategyKey::RowLock, 6, 0)
    };
    let run = run(&shop, on_shop).await;
    shop.buy(&product)
        .quantity(3)
        .await
        .expect("another came later");
    shop.restock(&product, 10).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    shop.reserve_cart(cart, None)
        .await
        .result
        .expect("a third has it in the cart");
    let certificate = certificate(&shop, &run).await;
    assert_eq!(certificate.standing(), Standing::Holds, "{certificate:?}");
    assert_eq!(balance(&certificate, 0), (40, 25, 2, 6, 7));
    let evidence = certificate.lanes[0].evidence.as_ref().expect("evidence");
    assert!(!evidence.is_private);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn what_was_removed_cannot_be_proven_and_a_loss_is_found() {
    let shop = TestShop::new().await;
    let kept = run(&shop, plan(StrategyKey::RowLock, 3, 2)).await;
    let removed = run(&shop, plan(StrategyKey::RowLock, 3, 2)).await;
    shop.by_hand
        .run(&format!(
            "CREATE TEMPORARY TABLE gone AS SELECT id FROM product WHERE lane_id IN (SELECT id FROM simulation_lane WHERE run_id = '{}');
             DELETE FROM customer_order WHERE id IN (SELECT order_id FROM order_line WHERE product_id IN (SELECT id FROM gone));
             DELETE FROM stock_movement WHERE product_id IN (SELECT id FROM gone); DELETE FROM product WHERE id IN (SELECT id FROM gone)",
            removed.id
        ))
        .await;
    let certified = certificate(&shop, &removed).await;
    assert_eq!(certified.standing(), Standing::Removed);
    assert_eq!(
        certified.lanes[0]
            .stored
            .as_ref()
            .map(|verdict| verdict.sold),
        Some(2)
    );
    assert!(
        certified
            .sentence()
            .starts_with("It cannot be proven any more")
    );
    let unknown = store::certify(shop.db(), Uuid::now_v7()).await;
    assert_eq!(unknown.err(), Some(ShopError::UnknownSimulation));

    // A unit that vanishes from the stock row afterwards, as neatly as its constraints want it.
    shop.without_final_audit();
    shop.by_hand
        .run("UPDATE stock SET sold = sold - 1, total = total - 1 WHERE product_id IN (SELECT id FROM product WHERE lane_id IS NOT NULL)")
        .await;
    let certified = certificate(&shop, &kept).await;
    assert_eq!(certified.standing(), Standing::Broken);
    assert!(
        certified.sentence().contains("does not hold for row-lock"),
        "{}",
        certified.sentence()
    );
    let Audited::Now(report) = &certified.audited else {
        panic!("not audited: {:?}", certified.audited);
    };
    assert!(!report.is_clean(), "the audit finds it too");
}
