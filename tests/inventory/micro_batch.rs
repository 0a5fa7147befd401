//! The batch: what waits together is done together, and yet each order stands for itself.

use std::time::Duration;

use doorbuster::{
    model::{Receipt, ShopError, StrategyKey},
    shop::inventory::batch_line::WAITING_MAX,
};
use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::support::{
    PATIENCE, Rival, TestProduct, TestShop, check_audit_clean, shop::Purchase, within,
};

const BATCH: StrategyKey = StrategyKey::MicroBatch;

type Answer = Result<Receipt, ShopError>;

fn order(shop: &TestShop, product: &TestProduct) -> Purchase {
    shop.buy(product).by(BATCH)
}

/// Lets `orders` come to the line in this order, while the writer stands before the row with the first of them.
async fn in_line(
    shop: &TestShop,
    product: &TestProduct,
    orders: Vec<Purchase>,
) -> (Rival, Vec<JoinHandle<Answer>>) {
    let rival = Rival::at(shop, product).await;
    let mut waiting = Vec::new();
    for order in orders {
        waiting.push(order.spawn());
        shop.until_blocked(1).await;
        // On this one thread, a task that was spawned has joined the line before this goes on.
        tokio::task::yield_now().await;
    }
    (rival, waiting)
}

async fn answers(waiting: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    within(PATIENCE, "the batch's answers", join_all(waiting))
        .await
        .into_iter()
        .map(|answer| answer.expect("it ends"))
        .collect()
}

fn left(answers: &[Answer]) -> Vec<Option<i64>> {
    let left = |answer: &Answer| answer.as_ref().ok()?.remaining_stock;
    answers.iter().map(left).collect()
}

#[tokio::test]
async fn what_waits_together_is_sold_in_one_transaction() {
    let shop = TestShop::new().await;
    let product = shop.with_product(30).await;
    let orders = (0..21).map(|_| order(&shop, &product)).collect();
    let (rival, waiting) = in_line(&shop, &product, orders).await;
    rival.leave().await;
    let sold = answers(waiting).await;
    let expected: Vec<_> = (0..21).map(|n| Some(29 - n)).collect();
    assert_eq!(left(&sold), expected, "in the order of arrival");
    let transactions: i64 = shop
        .by_hand
        .value("SELECT count(DISTINCT xmin::text) FROM customer_order")
        .await;
    assert_eq!(
        transactions, 2,
        "the first, which the writer came for, and all the others"
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_order_that_does_not_fit_lets_a_smaller_one_pass() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let orders = [1, 3, 3, 1].map(|units| order(&shop, &product).quantity(units));
    let (rival, waiting) = in_line(&shop, &product, orders.into()).await;
    rival.leave().await;
    let sold = answers(waiting).await;
    assert_eq!(left(&sold), [Some(4), Some(1), None, Some(0)]);
    assert_eq!(sold[2], Err(product.insufficient(1, 3)));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn products_are_sold_side_by_side_in_one_batch() {
    let shop = TestShop::new().await;
    let (one, two) = (shop.with_product(1).await, shop.with_product(1).await);
    let gone = TestProduct {
        id: 999_999,
        name: String::new(),
    };
    let orders = [&one, &two, &gone, &one].map(|product| order(&shop, product));
    let (rival, waiting) = in_line(&shop, &one, orders.into()).await;
    rival.leave().await;
    let sold = answers(waiting).await;
    assert_eq!(left(&sold), [Some(0), Some(0), None, None]);
    assert_eq!(sold[2], Err(ShopError::UnknownProduct));
    assert_eq!(sold[3], Err(one.insufficient(0, 1)));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_double_click_in_one_batch_is_one_order() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let orders = ["first", "twice", "twice", "once"].map(|key| order(&shop, &product).key(key));
    let (rival, waiting) = in_line(&shop, &product, orders.into()).await;
    rival.leave().await;
    let sold = answers(waiting).await;
    assert_eq!(sold[1], sold[2]);
    assert_eq!(left(&sold), [Some(8), Some(7), Some(7), Some(6)]);
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
    let (rival, waiting) = in_line(&shop, &product, orders).await;
    rival.leave().await;
    let sold = answers(waiting).await;
    // The two of one key came to different batches; the second of them is the first purchase again.
    assert_eq!(left(&sold), [Some(7), None, Some(8), Some(6)]);
    assert_eq!(sold[1], Err(ShopError::IdempotencyKeyReused));
    check_audit_clean(&shop).await;
}

/// One that the database itself refuses: here by a trigger that nobody in the shop knows of.
#[tokio::test]
async fn a_poisoned_order_fails_alone() {
    let shop = TestShop::new().await;
    let product = shop.with_product(30).await;
    shop.by_hand
        .run(
            "CREATE FUNCTION refuse_thirteen() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'not thirteen'; END $$; \
             CREATE TRIGGER refuse_thirteen BEFORE INSERT ON order_line FOR EACH ROW WHEN (NEW.quantity = 13) \
             EXECUTE FUNCTION refuse_thirteen()",
        )
        .await;
    let orders = [1, 1, 13, 1].map(|units| order(&shop, &product).quantity(units));
    let (rival, waiting) = in_line(&shop, &product, orders.into()).await;
    rival.leave().await;
    let sold = answers(waiting).await;
    assert_eq!(left(&sold), [Some(29), Some(28), None, Some(27)]);
    assert!(
        matches!(sold[2], Err(ShopError::Internal { .. })),
        "{:?}",
        sold[2]
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_full_line_asks_to_come_back() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10_000).await;
    let rival = Rival::at(&shop, &product).await;
    let first = order(&shop, &product).spawn();
    shop.until_blocked(1).await;
    let crowd = (0..WAITING_MAX + 3).map(|_| order(&shop, &product).spawn());
    let crowd: Vec<_> = crowd.collect();
    // Those who are sent away know at once, while all others wait.
    within(PATIENCE, "the refusals", async {
        while crowd.iter().filter(|order| order.is_finished()).count() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    rival.leave().await;
    first.await.expect("it ends").expect("it was in the line");
    let answers = answers(crowd).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, vec![ShopError::QueueFull { retry_after_s: 1 }; 3]);
    assert_eq!(
        shop.units_ordered(&product).await,
        i64::try_from(WAITING_MAX).expect("small") + 1
    );
    check_audit_clean(&shop).await;
}

/// Whoever hangs up while waiting wants nothing any more.
#[tokio::test]
async fn who_leaves_the_line_buys_nothing() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let orders = (0..3).map(|_| order(&shop, &product)).collect();
    let (rival, mut waiting) = in_line(&shop, &product, orders).await;
    let leaver = waiting.remove(1);
    leaver.abort();
    assert!(leaver.await.is_err(), "it left");
    rival.leave().await;
    assert_eq!(left(&answers(waiting).await), [Some(8), Some(7)]);
    assert_eq!(shop.units_ordered(&product).await, 2);
    check_audit_clean(&shop).await;
}
