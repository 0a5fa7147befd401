//! Gates that differ from their rows: what other ways of buying, deliveries and stock-takes change,
//! and what a hand changes in Redis.

use doorbuster::{
    model::StrategyKey,
    shop::{
        Shop,
        gates::{Difference, Reconciliation},
        inventory::gate::{GateState, LEASE, LevelWrite},
    },
};

use super::{level, on, reservation};
use crate::support::{TestProduct, TestShop, administrator, check_audit_clean, redis::TestRedis};

async fn gate_of(server: &Shop, product: &TestProduct) -> (GateState, Option<Difference>) {
    let inspected = server.gates().inspect().await.expect("Redis answers");
    let reports = inspected.gates;
    let report = reports
        .into_iter()
        .find(|report| report.product_id == product.id);
    let report = report.expect("there is a gate");
    assert_eq!(report.product_name, product.name);
    (report.gate, report.difference)
}

async fn reconcile(server: &Shop) -> Reconciliation {
    let done = server.gate_administration(&administrator()).reconcile();
    let done = done.await.expect("it is reconciled");
    done.expect("no other server is at it")
}

/// Sells one unit through the gate, which writes the row's level to it.
async fn with_gate(shop: &TestShop, server: &Shop, units: i64) -> TestProduct {
    let product = shop.with_product(units + 1).await;
    let bought = shop.buy(&product).by(StrategyKey::RedisCounter).on(server);
    bought.await.expect("it is sold");
    let (gate, difference) = gate_of(server, &product).await;
    assert_eq!((gate.level.available, difference), (units, None));
    product
}

#[tokio::test]
async fn what_changes_the_row_elsewhere_is_reconciled() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let product = with_gate(&shop, &server, 5).await;

    let row_lock = shop.buy(&product).quantity(2).on(&server);
    row_lock.await.expect("it is sold");
    let found = gate_of(&server, &product).await.1;
    assert_eq!(found, Some(Difference::AboveRow));
    assert_eq!(reconcile(&server).await.reconciled.len(), 1);
    assert_eq!(gate_of(&server, &product).await.0.left(), 3);

    shop.restock(&product, 4).await;
    let found = gate_of(&server, &product).await.1;
    assert_eq!(found, Some(Difference::BelowRow));
    assert_eq!(reconcile(&server).await.reconciled.len(), 1);
    assert_eq!(gate_of(&server, &product).await.0.left(), 7);

    let counted = server
        .stock_administration(&administrator())
        .record_count(product.id, 2, "counted", None);
    counted.await.expect("it is counted");
    assert_eq!(reconcile(&server).await.reconciled.len(), 1);
    assert_eq!(gate_of(&server, &product).await.0.left(), 2);

    let cart = shop.cart_of(&[(&product, 2)]).await;
    let reserved = server.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
    reconcile(&server).await;
    assert_eq!(gate_of(&server, &product).await.0.left(), 0);
    shop.expire_holds().await;
    server
        .reservations()
        .sweep_expired()
        .await
        .expect("they are released");
    reconcile(&server).await;
    assert_eq!(gate_of(&server, &product).await.0.left(), 2);
    let done = reconcile(&server).await;
    assert_eq!(
        (done.compared, done.reconciled.len(), done.removed),
        (1, 0, 0)
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn what_a_hand_changes_in_redis_is_reconciled() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let product = with_gate(&shop, &server, 5).await;
    let gate = server.gate().expect("it has one");
    for wrong in [level(900, 1), level(0, 1), level(3, 90)] {
        gate.store_level(product.id, wrong, LevelWrite::Always)
            .await
            .expect("Redis answers");
        let found = gate_of(&server, &product).await.1;
        assert!(found.is_some(), "{wrong:?}");
        // The row decides, whatever the gate contains.
        let too_many = shop.buy(&product).by(StrategyKey::RedisCounter).quantity(6);
        let refused = too_many.on(&server).await;
        assert_eq!(refused, Err(product.insufficient(5, 6)), "{wrong:?}");
        reconcile(&server).await;
        let (state, difference) = gate_of(&server, &product).await;
        assert_eq!((state.left(), difference), (5, None), "{wrong:?}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_gate_of_a_removed_product_is_removed() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let gate = server.gate().expect("it has one");
    gate.store_level(987_654, level(5, 1), LevelWrite::IfNewer)
        .await
        .expect("Redis answers");
    let done = reconcile(&server).await;
    assert_eq!((done.compared, done.removed), (1, 1));
    assert_eq!(gate.inspect(987_654).await.expect("Redis answers"), None);
}

#[tokio::test]
async fn a_gate_that_lets_too_many_through_violates_the_audit_until_it_is_reconciled() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let product = with_gate(&shop, &server, 5).await;
    let gate = server.gate().expect("it has one");
    let leased = reservation(&product, 2, "a lease explains two units");
    gate.reserve(&leased, LEASE).await.expect("Redis answers");
    let rule = server.gates().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{:?}", rule.listed);
    gate.store_level(product.id, level(50, 1), LevelWrite::Always)
        .await
        .expect("Redis answers");
    let rule = server.gates().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 1);
    assert!(
        rule.listed[0].contains("above the row"),
        "{:?}",
        rule.listed
    );
    reconcile(&server).await;
    let rule = server.gates().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{:?}", rule.listed);
}

#[tokio::test]
async fn seeding_writes_a_gate_for_every_product_of_the_shop() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let product = shop.with_product(4).await;
    let lane = shop.with_lane(StrategyKey::RedisCounter, 4).await;
    let seeded = server.gate_administration(&administrator()).seed();
    let seeded = seeded.await.expect("they are seeded");
    assert!(seeded.failed.is_empty(), "{seeded:?}");
    let products = shop.count("product WHERE lane_id IS NULL").await;
    assert_eq!(i64::try_from(seeded.seeded), Ok(products));
    assert_eq!(gate_of(&server, &product).await.0.left(), 4);
    let gate = server.gate().expect("it has one");
    let of_lane = gate.inspect(lane.id).await.expect("Redis answers");
    assert_eq!(of_lane, None, "private products have none before their run");
}
