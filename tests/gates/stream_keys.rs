//! A purchase that is repeated under its key while Redis is unavailable: its first order may wait
//! in the queue, so it is sold, or its outcome is unknown, and never refused.

use doorbuster::{
    model::{ShopError, StrategyKey},
    redis::Redis,
    shop::{
        Shop,
        inventory::{
            Accepted,
            gate::StockGate,
            order_queue::{OrderQueue, WAITING_MAX},
            queue_outcome,
            queued_order::QueuedOrder,
        },
        queue::OrderState,
    },
};
use tokio::task::JoinSet;

use super::{
    on,
    stream::{POLL, accept, check_written, consume, follow, leave_in_queue, queued, request},
};
use crate::support::{
    PATIENCE, StockLock, TestProduct, TestShop, check_audit_clean, redis::TestRedis, within,
};

const KEY: &str = "sent again";
/// Enough buyers at once to use the sold-out cache.
const CROWD: usize = 8;

/// Waits until the connection to Redis, which was started again, is used again.
async fn until_back(server: &Shop) {
    let queue = OrderQueue::beside(server.gate().expect("it has one"));
    within(PATIENCE, "Redis", async {
        while queue.state().await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

/// A shop with one unit, and an order for it that a killed server has left in the queue.
async fn with_waiting_order(redis: &TestRedis) -> (TestShop, Shop, TestProduct, QueuedOrder) {
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let server = on(&shop, redis);
    let order = QueuedOrder::new(&request(&product, 1, KEY));
    leave_in_queue(&server, &order).await;
    (shop, server, product, order)
}

async fn sell_last_unit(shop: &TestShop, product: &TestProduct) {
    let bought = shop.buy(product).by(StrategyKey::RowLock).await;
    bought.expect("it is the last unit");
}

fn is_unknown(answer: &Result<Accepted, ShopError>) -> bool {
    matches!(answer, Err(ShopError::OutcomeUnknown { .. }))
}

#[tokio::test]
async fn a_key_that_waits_is_not_refused_while_redis_is_unavailable() {
    let Some(mut redis) = TestRedis::start_durable() else {
        return;
    };
    let (shop, server, product, order) = with_waiting_order(&redis).await;
    sell_last_unit(&shop, &product).await;
    redis.kill();
    let repeated = accept(&server, request(&product, 1, KEY)).await;
    assert!(is_unknown(&repeated), "{repeated:?}");
    // A caller without a key has one that no other order can have.
    let mut unkeyed = request(&product, 1, KEY);
    unkeyed.claim = None;
    let refused = accept(&server, unkeyed).await;
    assert_eq!(refused, Err(product.insufficient(0, 1)));

    shop.restock(&product, 1).await;
    redis.restart();
    until_back(&server).await;
    let consumer = consume(&server);
    check_written(&server, &order.order_id.to_string()).await;
    let again = queued(&server, request(&product, 1, KEY)).await;
    assert_eq!(again, order.order_id.to_string(), "one key, one order");
    drop(consumer);
    assert_eq!(shop.units_ordered(&product).await, 2);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_key_that_is_sold_while_redis_is_unavailable_is_the_order_of_its_entry() {
    let Some(mut redis) = TestRedis::start_durable() else {
        return;
    };
    let (shop, server, product, order) = with_waiting_order(&redis).await;
    redis.kill();
    let sold = match accept(&server, request(&product, 1, KEY)).await {
        Ok(Accepted::Written(receipt)) => receipt.order_id,
        other => panic!("the row has a unit: {other:?}"),
    };
    shop.restock(&product, 1).await;
    redis.restart();
    until_back(&server).await;
    let consumer = consume(&server);
    match follow(&server, &order.order_id.to_string()).await {
        Ok(OrderState::Written(written)) => assert_eq!(written.public_id, sold),
        other => panic!("its key has an order: {other:?}"),
    }
    drop(consumer);
    assert_eq!(shop.units_ordered(&product).await, 1);
    let rule = server.queue().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{:?}", rule.listed);
    check_audit_clean(&shop).await;
}

/// The server that accepted the order refuses it while Redis is unavailable, and then sells its key
/// to a caller who tries again. Redis still names the refused order.
#[tokio::test]
async fn a_key_names_the_order_that_was_sold_under_it_and_not_one_that_was_refused() {
    let Some(mut redis) = TestRedis::start_durable() else {
        return;
    };
    let (shop, server, product, order) = with_waiting_order(&redis).await;
    redis.kill();
    let refused = queue_outcome::reject(&server, &order).await;
    assert!(refused.is_ok_and(|refused| refused), "it was not decided");
    let sold = match accept(&server, request(&product, 1, KEY)).await {
        Ok(Accepted::Written(receipt)) => receipt.order_id,
        other => panic!("the row has a unit: {other:?}"),
    };
    redis.restart();
    until_back(&server).await;
    // Without the database, the server does not know which order has the key.
    let hide = "ALTER TABLE idempotency_key RENAME TO hidden_key";
    shop.by_hand.run(hide).await;
    let unknown = accept(&server, request(&product, 1, KEY)).await;
    assert!(is_unknown(&unknown), "{unknown:?}");
    let show = "ALTER TABLE hidden_key RENAME TO idempotency_key";
    shop.by_hand.run(show).await;
    let again = queued(&server, request(&product, 1, KEY)).await;
    assert_eq!(again, sold);
    check_written(&server, &again).await;
    assert_eq!(shop.units_ordered(&product).await, 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_key_that_waits_is_not_refused_by_a_rule() {
    let Some(mut redis) = TestRedis::start_durable() else {
        return;
    };
    let (shop, server, product, order) = with_waiting_order(&redis).await;
    let set_end = async |end: &str| {
        let id = product.id;
        let update = format!("UPDATE product SET sale_ends_at = {end} WHERE id = {id}");
        shop.by_hand.run(&update).await;
    };
    set_end("CURRENT_TIMESTAMP").await;
    let other = accept(&server, request(&product, 1, "another key")).await;
    assert!(
        matches!(other, Err(ShopError::SaleEnded { .. })),
        "{other:?}"
    );
    redis.kill();
    let repeated = accept(&server, request(&product, 1, KEY)).await;
    assert!(is_unknown(&repeated), "{repeated:?}");
    // Sending it again would change nothing.
    let mut of_nothing = request(&product, 1, "of no product");
    of_nothing.product_id = i64::from(i32::MAX);
    let refused = accept(&server, of_nothing).await;
    assert_eq!(refused, Err(ShopError::UnknownProduct));

    set_end("NULL").await;
    redis.restart();
    until_back(&server).await;
    let again = queued(&server, request(&product, 1, KEY)).await;
    assert_eq!(again, order.order_id.to_string());
    check_written(&server, &again).await;
    assert_eq!(shop.units_ordered(&product).await, 1);
    check_audit_clean(&shop).await;
}

/// A crowd asks for a product that is sold out, while Redis is unavailable. The row refuses one of
/// them, and the others are answered without it; but a key that was sold has its order.
#[tokio::test]
async fn a_crowd_with_keys_does_not_ask_the_row_while_redis_is_unavailable() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let server = on(&shop, &redis);
    redis.kill();
    let sold = accept(&server, request(&product, 1, KEY)).await;
    assert!(matches!(sold, Ok(Accepted::Written(_))), "{sold:?}");
    let mut crowd: JoinSet<()> = JoinSet::new();
    for number in 0..CROWD {
        let server = server.clone();
        let request = request(&product, 1, &format!("buyer {number} of a crowd"));
        crowd.spawn(async move {
            loop {
                let answer = accept(&server, request.clone()).await;
                assert!(is_unknown(&answer), "{answer:?}");
            }
        });
    }
    within(PATIENCE, "an answer without the row", async {
        loop {
            let request = request(&product, 1, "a buyer who looks");
            let outcome = server.accept(StrategyKey::RedisStream, request).await;
            // An order that the row has decided, because Redis is unavailable, is counted.
            if outcome.fallbacks == 0 {
                let answer = outcome.result.map_err(ShopError::from);
                assert!(is_unknown(&answer), "{answer:?}");
                return;
            }
        }
    })
    .await;
    let again = accept(&server, request(&product, 1, KEY)).await;
    assert_eq!(again, sold);
    drop(crowd);
    assert_eq!(shop.units_ordered(&product).await, 1);
    check_audit_clean(&shop).await;
}

/// The first attempt has no answer: it may arrive after the repeat that finds a full queue, and be
/// sold later.
#[tokio::test]
async fn a_repeat_that_finds_a_full_queue_refuses_nothing() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let connection = Redis::at(&redis.url()).expect("it is a URL");
    let gate = StockGate::new(connection, "full");
    let server = shop.handle().with_gate(Some(gate));
    let stock_lock = StockLock::acquire(&shop, &product).await;
    redis.kill();
    let (of_caller, asked) = (server.clone(), request(&product, 1, KEY));
    let caller = tokio::spawn(async move { accept(&of_caller, asked).await });
    // Its first attempt has failed, and it asks the row.
    shop.until_blocked(1).await;
    redis.restart();
    let filled = format!("HSET doorbuster:full:queue:counters accepted {WAITING_MAX}");
    assert_eq!(redis.command(&filled), ":1");
    until_back(&server).await;
    stock_lock.release().await;
    let answer = caller.await.expect("it does not panic");
    assert!(is_unknown(&answer), "{answer:?}");
    check_audit_clean(&shop).await;
}
