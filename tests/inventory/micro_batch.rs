//! The micro-batch: waiting orders are written together, and yet each succeeds or fails on its own.

use std::time::Duration;

use doorbuster::{
    db::engine::Engine,
    model::{Receipt, ShopError, StrategyKey},
    shop::inventory::batch_queue::WAITING_MAX,
};
use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::support::{
    PATIENCE, StockLock, TestProduct, TestShop, check_audit_clean, shop::Purchase, within,
};

const BATCH: StrategyKey = StrategyKey::MicroBatch;

type Answer = Result<Receipt, ShopError>;

fn order(shop: &TestShop, product: &TestProduct) -> Purchase {
    shop.buy(product).by(BATCH)
}

/// Queues `orders` in this order, while the writer waits for the row with the first of them.
async fn queue_orders(
    shop: &TestShop,
    product: &TestProduct,
    orders: Vec<Purchase>,
) -> (StockLock, Vec<JoinHandle<Answer>>) {
    let stock_lock = StockLock::acquire(shop, product).await;
    let mut waiting = Vec::new();
    for order in orders {
        waiting.push(order.spawn());
        if waiting.len() == 1 {
            // The others find the writer busy.
            shop.until_blocked(1).await;
        }
        // On a single thread, a spawned task has queued its order before this continues.
        tokio::task::yield_now().await;
    }
    (stock_lock, waiting)
}

async fn answers(waiting: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    within(PATIENCE, "the batch's answers", join_all(waiting))
        .await
        .into_iter()
        .map(|answer| answer.expect("it ends"))
        .collect()
}

fn remaining(answers: &[Answer]) -> Vec<Option<i64>> {
    let remaining = |answer: &Answer| answer.as_ref().ok()?.remaining_stock;
    answers.iter().map(remaining).collect()
}

#[tokio::test]
async fn orders_that_wait_together_are_sold_in_one_transaction() {
    let shop = TestShop::new().await;
    let product = shop.with_product(30).await;
    let orders = (0..21).map(|_| order(&shop, &product)).collect();
    let (stock_lock, waiting) = queue_orders(&shop, &product, orders).await;
    stock_lock.release().await;
    let sold = answers(waiting).await;
    let expected: Vec<_> = (0..21).map(|n| Some(29 - n)).collect();
    assert_eq!(remaining(&sold), expected, "in the order of arrival");
    let transaction = match shop.db().engine() {
        Engine::Postgres => "xmin::text",
        // It writes all orders of a batch with one INSERT, and this is the INSERT's time.
        Engine::MySql => "placed_at",
    };
    let transactions: i64 = shop
        .by_hand
        .value(&format!(
            "SELECT count(DISTINCT {transaction}) FROM customer_order"
        ))
        .await;
    assert_eq!(
        transactions, 2,
        "one for the first order, one for all others"
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_order_that_does_not_fit_does_not_block_a_smaller_one() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let orders = [1, 3, 3, 1].map(|units| order(&shop, &product).quantity(units));
    let (stock_lock, waiting) = queue_orders(&shop, &product, orders.into()).await;
    stock_lock.release().await;
    let sold = answers(waiting).await;
    assert_eq!(remaining(&sold), [Some(4), Some(1), None, Some(0)]);
    assert_eq!(sold[2], Err(product.insufficient(1, 3)));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn one_batch_sells_several_products() {
    let shop = TestShop::new().await;
    let (one, two) = (shop.with_product(1).await, shop.with_product(1).await);
    let unknown = TestProduct::of_shop(999_999, String::new());
    let orders = [&one, &two, &unknown, &one].map(|product| order(&shop, product));
    let (stock_lock, waiting) = queue_orders(&shop, &one, orders.into()).await;
    stock_lock.release().await;
    let sold = answers(waiting).await;
    assert_eq!(remaining(&sold), [Some(0), Some(0), None, None]);
    assert_eq!(sold[2], Err(ShopError::UnknownProduct));
    assert_eq!(sold[3], Err(one.insufficient(0, 1)));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_double_click_in_one_batch_is_one_order() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let orders = ["first", "twice", "twice", "once"].map(|key| order(&shop, &product).key(key));
    let (stock_lock, waiting) = queue_orders(&shop, &product, orders.into()).await;
    stock_lock.release().await;
    let sold = answers(waiting).await;
    assert_eq!(sold[1], sold[2]);
    assert_eq!(remaining(&sold), [Some(8), Some(7), Some(7), Some(6)]);
    assert_eq!(shop.units_ordered(&product).await, 3);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_key_of_another_request_is_refused_alone() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    shop.buy(&product)
        .key("known")
        .await
        .expect("there is enough");
    let orders = vec![
        order(&shop, &product),
        order(&shop, &product).key("known").quantity(2),
        order(&shop, &product).key("known"),
        order(&shop, &product).key("new"),
    ];
    let (stock_lock, waiting) = queue_orders(&shop, &product, orders).await;
    stock_lock.release().await;
    let sold = answers(waiting).await;
    // The two orders with one key are in different batches; the second of them gets the answer of
    // the first purchase.
    assert_eq!(remaining(&sold), [Some(7), None, Some(8), Some(6)]);
    assert_eq!(sold[1], Err(ShopError::IdempotencyKeyReused));
    check_audit_clean(&shop).await;
}

/// The database itself rejects one order: here by a trigger that the shop does not know.
#[tokio::test]
async fn an_order_that_the_database_rejects_fails_alone() {
    let shop = TestShop::new().await;
    let product = shop.with_product(30).await;
    shop.by_hand
        .run(match shop.db().engine() {
            Engine::Postgres => {
                "CREATE FUNCTION refuse_thirteen() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'not thirteen'; END $$; \
                 CREATE TRIGGER refuse_thirteen BEFORE INSERT ON order_line FOR EACH ROW WHEN (NEW.quantity = 13) \
                 EXECUTE FUNCTION refuse_thirteen()"
            }
            Engine::MySql => {
                "CREATE TRIGGER refuse_thirteen BEFORE INSERT ON order_line FOR EACH ROW \
                 BEGIN IF NEW.quantity = 13 THEN SIGNAL SQLSTATE '45000'; END IF; END"
            }
        })
        .await;
    let orders = [1, 1, 13, 1].map(|units| order(&shop, &product).quantity(units));
    let (stock_lock, waiting) = queue_orders(&shop, &product, orders.into()).await;
    stock_lock.release().await;
    let sold = answers(waiting).await;
    assert_eq!(remaining(&sold), [Some(29), Some(28), None, Some(27)]);
    assert!(
        matches!(sold[2], Err(ShopError::Internal { .. })),
        "{:?}",
        sold[2]
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_full_queue_rejects_orders_with_retry_after() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10_000).await;
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let first = order(&shop, &product).spawn();
    shop.until_blocked(1).await;
    let crowd = (0..WAITING_MAX + 3).map(|_| order(&shop, &product).spawn());
    let crowd: Vec<_> = crowd.collect();
    // The rejected orders are answered at once, while all others wait.
    within(PATIENCE, "the refusals", async {
        while crowd.iter().filter(|order| order.is_finished()).count() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    stock_lock.release().await;
    first.await.expect("it ends").expect("it was queued");
    let answers = answers(crowd).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, vec![ShopError::QueueFull { retry_after_s: 1 }; 3]);
    assert_eq!(
        shop.units_ordered(&product).await,
        i64::try_from(WAITING_MAX).expect("small") + 1
    );
    check_audit_clean(&shop).await;
}

/// An order is dropped if its client disconnects while it waits.
#[tokio::test]
async fn an_order_whose_client_disconnects_is_not_written() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let orders = (0..3).map(|_| order(&shop, &product)).collect();
    let (stock_lock, mut waiting) = queue_orders(&shop, &product, orders).await;
    let cancelled = waiting.remove(1);
    cancelled.abort();
    assert!(cancelled.await.is_err(), "it was cancelled");
    stock_lock.release().await;
    assert_eq!(remaining(&answers(waiting).await), [Some(8), Some(7)]);
    assert_eq!(shop.units_ordered(&product).await, 2);
    check_audit_clean(&shop).await;
}
