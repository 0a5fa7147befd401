//! The queue of `redis-stream` when entries are gone, and Redis still knows their orders.

use doorbuster::{
    redis::Redis,
    shop::inventory::{
        gate::StockGate,
        order_queue::{OrderQueue, Place},
        queued_order::QueuedOrder,
    },
};

use super::stream::{check_written, consume, leave_in_queue, queued, request, until_acknowledged};
use crate::support::{TestShop, check_audit_clean, redis::TestRedis};

/// No server follows the orders, as after a crash of the one that accepted them. One entry is
/// deleted by itself, and later all of them with the stream.
#[tokio::test]
async fn an_order_whose_entry_is_gone_is_put_back_once_and_written() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let connection = Redis::at(&redis.url()).expect("it is a URL");
    let gate = StockGate::new(connection, "losses");
    let server = shop.handle().with_gate(Some(gate.clone()));
    let queue = OrderQueue::beside(&gate);
    let orders = ["the first order", "the second order", "the third order"]
        .map(|key| QueuedOrder::new(&request(&product, 1, key)));
    for order in &orders {
        leave_in_queue(&server, order).await;
    }
    let nothing = queue.restore_lost().await.expect("Redis answers");
    assert!(nothing.is_empty(), "each order has its entry: {nothing:?}");

    let trimmed = redis.command("XTRIM doorbuster:losses:queue MAXLEN 2");
    assert_eq!(trimmed, ":1");
    let place = queue.place(orders[0].order_id).await;
    assert_eq!(
        place.expect("Redis answers"),
        Place::Waiting { ahead: 0 },
        "Redis believes that it waits"
    );
    let restored = queue.restore_lost().await.expect("Redis answers");
    assert_eq!(restored, [orders[0].order_id]);
    assert_eq!(redis.command("DEL doorbuster:losses:queue"), ":1");
    let consumer = consume(&server);
    for order in &orders {
        check_written(&server, &order.order_id.to_string()).await;
    }
    let again = queued(&server, request(&product, 1, "the first order")).await;
    assert_eq!(again, orders[0].order_id.to_string(), "one key, one order");
    drop(consumer);
    assert_eq!(shop.units_ordered(&product).await, 3);
    let report = server.queue().inspect().await.expect("Redis answers");
    assert_eq!(report.state.restored, 4);
    let rule = server.queue().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{:?}", rule.listed);
    check_audit_clean(&shop).await;
}

/// An order that waits for longer than keys are kept has its key for as long.
#[tokio::test]
async fn a_key_expires_after_its_order_is_decided() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let connection = Redis::at(&redis.url()).expect("it is a URL");
    let gate = StockGate::new(connection, "expiry");
    let server = shop.handle().with_gate(Some(gate.clone()));
    let order = QueuedOrder::new(&request(&product, 1, "a key that waits"));
    leave_in_queue(&server, &order).await;
    let ask = format!("PTTL doorbuster:expiry:queue:key:{}", order.key());
    assert_eq!(redis.command(&ask), ":-1", "it does not expire");
    let queue = OrderQueue::beside(&gate);
    let consumer = consume(&server);
    check_written(&server, &order.order_id.to_string()).await;
    until_acknowledged(&queue).await;
    drop(consumer);
    let left: i64 = redis.command(&ask)[1..].parse().expect("milliseconds");
    assert!(left > 0, "{left}");
    check_audit_clean(&shop).await;
}
