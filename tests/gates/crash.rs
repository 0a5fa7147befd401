//! The server is killed between the gate and the row, and between the row and the gate: no unit is
//! lost, and no order.

use std::time::Instant;

use doorbuster::model::StrategyKey;

use super::{RECONCILED_WITHIN, safe};
use crate::{
    crash::{program::ServerRunner, strategies::post},
    support::{
        TestShop, check_audit_clean, http_client,
        redis::{TestRedis, shared_url},
    },
};

const STOCK: i64 = 3;

/// The points of a strategy at which a purchase is between Redis and the database.
fn points(strategy: StrategyKey) -> [String; 2] {
    let about = match strategy {
        StrategyKey::RedisLock => ["after locking by", "before unlocking by"],
        StrategyKey::RedisStream => ["after accepting by", "before acknowledging by"],
        _ => ["after reserving by", "before confirming by"],
    };
    about.map(|point| format!("{point} {strategy}"))
}

async fn check_survives(strategy: StrategyKey, point: &str) {
    let redis = TestRedis::start().expect("it is installed");
    let shop = TestShop::new().await;
    let product = shop.with_product(STOCK).await;
    let gate = shop.handle();
    let client = http_client();
    let mut runner = ServerRunner::new(shop.database.url()).with_redis(redis.url());
    let url = runner.start(Some(point));
    assert!(runner.is_ready(&url).await, "{point}");
    let key = "a-purchase-that-is-cut-off";
    let answer = post(&client, &url, strategy, &product, key).await;
    // The address of a queued order may show that it is written just before the kill.
    assert!(
        answer.is_none() || strategy == StrategyKey::RedisStream,
        "{point}: it is killed first"
    );
    runner.until_killed().await;

    let url = runner.start(None);
    assert!(runner.is_ready(&url).await, "{point}");
    let again = post(&client, &url, strategy, &product, key).await;
    assert!(again.is_some(), "{point}: the same key buys once");
    // Its lease has not run out, and costs no unit.
    for unit in 2..=STOCK {
        let key = format!("the-purchase-of-unit-{unit}");
        let bought = post(&client, &url, strategy, &product, &key).await;
        assert!(bought.is_some(), "{point}: unit {unit}");
    }
    let refused = post(&client, &url, strategy, &product, "one-purchase-too-many").await;
    assert_eq!(refused, None, "{point}");
    assert_eq!(shop.units_ordered(&product).await, STOCK, "{point}");
    assert_eq!(shop.level(&product).await.available, 0, "{point}");

    let connection = doorbuster::redis::Redis::at(&redis.url()).expect("it is a URL");
    let gates = gate.open_gate(connection).await.expect("it is opened");
    let watched = gate.with_gate(Some(gates));
    let begin = Instant::now();
    loop {
        let inspected = watched.gates().inspect().await.expect("Redis answers");
        let reports = inspected.gates;
        if reports.iter().all(|report| report.difference.is_none()) {
            break;
        }
        assert!(begin.elapsed() < RECONCILED_WITHIN, "{point}: {reports:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    check_audit_clean(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_between_redis_and_the_row_loses_no_unit() {
    if shared_url().is_none() {
        return;
    }
    for strategy in safe() {
        for point in points(strategy) {
            check_survives(strategy, &point).await;
        }
    }
}
