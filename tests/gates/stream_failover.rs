//! The queue of `redis-stream` when its Redis fails over to a replica that was not up to date.

use doorbuster::shop::{inventory::order_queue::OrderQueue, queue::OrderState};

use super::{
    on,
    stream::{POLL, check_written, consume, follow, queued, request},
};
use crate::support::{PATIENCE, StockLock, TestShop, check_audit_clean, redis::TestRedis, within};

/// Orders that the replica has, and orders that it has not.
const REPLICATED: usize = 10;
const LOST: usize = 10;

/// No order is decided before the failover. The replica brings back the first ones, which the
/// server may have taken from the old leader, too, and it knows nothing of the others.
#[tokio::test]
async fn a_failover_to_a_lagging_replica_loses_no_order_and_writes_none_twice() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let replica = TestRedis::start().expect("it is installed");
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    let server = on(&shop, &redis);
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let mut orders = Vec::new();
    for number in 0..REPLICATED + LOST {
        if number == REPLICATED {
            replica.replicate(&redis);
            replica.stop_replicating();
        }
        let key = format!("order {number} of the sale");
        orders.push(queued(&server, request(&product, 1, &key)).await);
    }
    assert_eq!(shop.count("customer_order").await, 0, "none is decided");
    redis.kill();
    redis.restart_as(&replica);
    stock_lock.release().await;
    for order in &orders {
        check_written(&server, order).await;
    }

    let consumer = consume(&server);
    let queue = OrderQueue::beside(server.gate().expect("it has one"));
    within(PATIENCE, "an empty queue", async {
        while queue.state().await.map_or(1, |state| state.waiting) > 0 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    let count = i64::try_from(REPLICATED + LOST).expect("small");
    assert_eq!(shop.units_ordered(&product).await, count, "each one once");
    // The buyer of a lost order sends it again: its key names the order.
    let again = queued(&server, request(&product, 1, "order 15 of the sale")).await;
    match follow(&server, &again).await {
        Ok(OrderState::Written(order)) => assert_eq!(order.public_id, orders[15]),
        other => panic!("it is the order of that key: {other:?}"),
    }
    drop(consumer);
    assert_eq!(
        shop.units_ordered(&product).await,
        count,
        "and nothing more"
    );
    let rule = server.queue().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{:?}", rule.listed);
    check_audit_clean(&shop).await;
}
