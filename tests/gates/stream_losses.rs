//! The queue of `redis-stream` when entries are gone, and Redis still knows their orders.

use doorbuster::{
    redis::Redis,
    shop::inventory::{
        PurchaseRequest,
        gate::StockGate,
        order_queue::{Acknowledged, Entry, OrderQueue, Place},
        queued_order::QueuedOrder,
    },
};

use super::stream::{check_written, consume, leave_in_queue, queued, request, until_acknowledged};
use crate::support::{TestShop, check_audit_clean, redis::TestRedis, shop::units_of};

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
        "Redis lists it as waiting"
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

/// A queue without consumers. Its keys in Redis contain this name.
fn queue_named(redis: &TestRedis, name: &str) -> OrderQueue {
    let connection = Redis::at(&redis.url()).expect("it is a URL");
    OrderQueue::beside(&StockGate::new(connection, name))
}

async fn accept(queue: &OrderQueue) -> QueuedOrder {
    let order = QueuedOrder::new(&PurchaseRequest {
        product_id: 7,
        quantity: units_of(1),
        claim: None,
        lane_id: None,
    });
    let accepted = queue.accept(&order, false).await;
    accepted.expect("Redis answers");
    order
}

async fn take(queue: &OrderQueue, consumer: &str) -> Entry {
    let taken = queue.take(consumer, false).await;
    let (mut entries, _) = taken.expect("Redis answers");
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

async fn acknowledge(queue: &OrderQueue, entry: &Entry, order: &QueuedOrder) -> u64 {
    let decided = Acknowledged {
        entry_id: &entry.id,
        order,
        frees_key: false,
    };
    let acknowledged = queue.acknowledge(&[decided]).await;
    acknowledged.expect("Redis answers")
}

/// Returns how many orders wait, after one more is accepted: a figure that is too low cannot hide
/// behind zero.
async fn waiting_with_another(queue: &OrderQueue) -> u64 {
    accept(queue).await;
    queue.state().await.expect("Redis answers").waiting
}

/// An order whose first entry was deleted by hand while a consumer had it, and whose second one
/// another consumer has.
async fn with_two_entries(
    redis: &TestRedis,
    queue: &OrderQueue,
    name: &str,
) -> (QueuedOrder, Entry, Entry) {
    let order = accept(queue).await;
    let first = take(queue, "the first consumer").await;
    let trimmed = redis.command(&format!("XTRIM doorbuster:{name}:queue MAXLEN 0"));
    assert_eq!(trimmed, ":1");
    let restored = queue.restore_lost().await.expect("Redis answers");
    assert_eq!(restored, [order.order_id]);
    let second = take(queue, "the second consumer").await;
    assert_ne!(first.id, second.id);
    (order, first, second)
}

#[tokio::test]
async fn an_order_with_two_entries_is_counted_once() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let queue = queue_named(&redis, "twice");
    let (order, first, second) = with_two_entries(&redis, &queue, "twice").await;
    assert_eq!(acknowledge(&queue, &first, &order).await, 1);
    assert_eq!(acknowledge(&queue, &second, &order).await, 0);
    assert_eq!(waiting_with_another(&queue).await, 1);
}

#[tokio::test]
async fn an_order_with_two_entries_is_not_both_a_dead_letter_and_in_the_queue() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let queue = queue_named(&redis, "held");
    let (order, first, second) = with_two_entries(&redis, &queue, "held").await;
    let place = async || queue.place(order.order_id).await.expect("Redis answers");
    let bury = async |entry: &Entry| queue.bury(entry, "a reason").await.expect("Redis answers");
    assert!(!bury(&first).await, "its second entry decides");
    assert_eq!(place().await, Place::Waiting { ahead: 0 });
    assert!(bury(&second).await);
    assert_eq!(place().await, Place::DeadLetter);
    let letters = queue.dead_letters(10).await.expect("Redis answers");
    assert_eq!(letters.len(), 1, "{letters:?}");

    // Also if it is listed among those that wait, it is not put back.
    let id = order.order_id;
    let listed = redis.command(&format!("ZADD doorbuster:held:queue:waiting 1 {id}"));
    assert_eq!(listed, ":1");
    let trimmed = redis.command("XTRIM doorbuster:held:queue MAXLEN 0");
    assert_eq!(trimmed, ":1");
    let restored = queue.restore_lost().await.expect("Redis answers");
    assert!(restored.is_empty(), "{restored:?}");
    let listed = redis.command("ZCARD doorbuster:held:queue:waiting");
    assert_eq!(listed, ":0");
    assert_eq!(waiting_with_another(&queue).await, 1);
}

/// An earlier version did not list the orders that wait, and remembered only their numbers.
#[tokio::test]
async fn an_order_that_an_earlier_version_has_accepted_is_counted_once() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let queue = queue_named(&redis, "earlier");
    let order = accept(&queue).await;
    let id = order.order_id;
    let forgotten = redis.command(&format!(
        "HDEL doorbuster:earlier:queue:order:{id} entry order"
    ));
    assert_eq!(forgotten, ":2");
    let unlisted = redis.command(&format!("ZREM doorbuster:earlier:queue:waiting {id}"));
    assert_eq!(unlisted, ":1");
    let entry = take(&queue, "a consumer").await;
    assert_eq!(acknowledge(&queue, &entry, &order).await, 1);
    assert_eq!(acknowledge(&queue, &entry, &order).await, 0);
    assert_eq!(waiting_with_another(&queue).await, 1);
}

/// Its buyer would read for ever that an administrator decides.
#[tokio::test]
async fn a_dead_letter_that_is_deleted_by_hand_is_written_again() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let queue = queue_named(&redis, "letters");
    let order = accept(&queue).await;
    let entry = take(&queue, "a consumer").await;
    let buried = queue.bury(&entry, "a reason").await;
    assert!(buried.expect("Redis answers"));
    let trimmed = redis.command("XTRIM doorbuster:letters:queue:dead MAXLEN 0");
    assert_eq!(trimmed, ":1");
    for _ in 0..2 {
        let place = queue.place(order.order_id).await;
        assert_eq!(place.expect("Redis answers"), Place::DeadLetter);
        let letters = queue.dead_letters(10).await.expect("Redis answers");
        let orders: Vec<_> = letters.into_iter().map(|letter| letter.order).collect();
        assert_eq!(orders, [Some(order.clone())]);
    }
}
