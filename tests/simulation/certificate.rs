//! A run's certificate: the evidence that is read from the database after the run.

use doorbuster::{
    model::{DatabaseEngine, RunSnapshot, ShopError, SimulationPlan, StrategyKey},
    simulation::{
        certificate::{Certificate, CertificateAudit, ProofStatus},
        store,
    },
};
use uuid::Uuid;

use super::{TWO_SAFE, plan, run};
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
async fn a_safe_run_adds_up_on_every_stock_layout() {
    let shop = TestShop::new().await;
    let layouts = [StrategyKey::Buckets, StrategyKey::SkipLockedUnits];
    for strategy in TWO_SAFE.into_iter().chain(layouts) {
        let run = run(&shop, plan(strategy, 9, 5)).await;
        let certificate = certificate(&shop, &run).await;
        assert_eq!(
            certificate.status(),
            ProofStatus::Holds,
            "{strategy}: {certificate:?}"
        );
        assert_eq!(balance(&certificate, 0), (5, 0, 0, 5, 0), "{strategy}");
        let CertificateAudit::Now(report) = &certificate.audited else {
            panic!("{strategy}: not audited: {:?}", certificate.audited);
        };
        assert!(report.is_clean());
        let products = match shop.by_hand.engine() {
            DatabaseEngine::Postgres => &["PostgreSQL "][..],
            DatabaseEngine::MySql => &["MariaDB ", "MySQL "],
        };
        let server = &certificate.server.name;
        let is_named = products.iter().any(|product| server.starts_with(product));
        assert!(is_named, "{server}");
        // The statement as it is printed must return the figure that the certificate shows.
        let evidence = certificate.lanes[0].evidence.as_ref().expect("evidence");
        for answered in &evidence.results {
            let sql = answered.statement();
            let (_, first) = answered.figures[0];
            let by_hand: i64 = shop.by_hand.value(&sql).await;
            assert_eq!(by_hand, first, "{sql}");
            assert!(!sql.contains('$'), "{sql}");
        }
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_certificate_of_an_exhibit_states_its_oversold_units() {
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
    assert_eq!(certificate.lanes[0].status, ProofStatus::Holds);
    assert_eq!(certificate.lanes[1].status, ProofStatus::Exhibit);
    let sentence = certificate.summary();
    assert!(
        sentence.contains(&format!("unguarded: {oversold} units were oversold")),
        "{sentence}"
    );
    let (initial, _, _, sold, _) = balance(&certificate, 1);
    assert_eq!((initial, sold), (4, 4 + oversold));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_certificate_on_a_shop_product_counts_other_orders_too() {
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
        .expect("a shopper buys before the run");
    let on_shop = SimulationPlan {
        product_id: Some(product.id),
        ..plan(StrategyKey::RowLock, 6, 0)
    };
    let run = run(&shop, on_shop).await;
    shop.buy(&product)
        .quantity(3)
        .await
        .expect("another shopper buys after it");
    shop.restock(&product, 10).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    shop.reservations()
        .reserve(cart, None)
        .await
        .result
        .expect("a third shopper reserves units");
    let certificate = certificate(&shop, &run).await;
    assert_eq!(certificate.status(), ProofStatus::Holds, "{certificate:?}");
    assert_eq!(balance(&certificate, 0), (40, 25, 2, 6, 7));
    let evidence = certificate.lanes[0].evidence.as_ref().expect("evidence");
    assert!(!evidence.is_private);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_certificate_detects_deleted_products_and_lost_units() {
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
    assert_eq!(certified.status(), ProofStatus::Removed);
    assert_eq!(
        certified.lanes[0]
            .stored
            .as_ref()
            .map(|verdict| verdict.sold),
        Some(2)
    );
    assert!(
        certified
            .summary()
            .starts_with("It can no longer be verified")
    );
    let unknown = store::certify(shop.db(), Uuid::now_v7()).await;
    assert_eq!(unknown.err(), Some(ShopError::UnknownSimulation));

    // A unit disappears from the stock row without violating its constraints.
    shop.without_final_audit();
    shop.by_hand
        .run("UPDATE stock SET sold = sold - 1, total = total - 1 WHERE product_id IN (SELECT id FROM product WHERE lane_id IS NOT NULL)")
        .await;
    let certified = certificate(&shop, &kept).await;
    assert_eq!(certified.status(), ProofStatus::Broken);
    assert!(
        certified.summary().contains("does not hold for row-lock"),
        "{}",
        certified.summary()
    );
    let CertificateAudit::Now(report) = &certified.audited else {
        panic!("not audited: {:?}", certified.audited);
    };
    assert!(!report.is_clean(), "the audit finds it too");
}
