//! The queue of `redis-stream`: an order is decided once, however often its entry is delivered.

use std::time::Duration;

use doorbuster::{
    model::{Receipt, ShopError, StrategyKey},
    redis::Redis,
    shop::{
        Shop,
        inventory::{
            Accepted, PurchaseRequest,
            gate::StockGate,
            order_queue::{OrderQueue, Place},
            queued_order::QueuedOrder,
            sold_out::REFUSAL_TTL,
        },
        queue::{Durability, OrderState},
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::on;
use crate::support::{
    PATIENCE, TestProduct, TestShop, administrator, check_audit_clean,
    redis::TestRedis,
    shop::{claim, units_of},
    within,
};

const STREAM: StrategyKey = StrategyKey::RedisStream;
pub(super) const POLL: Duration = Duration::from_millis(10);

pub(super) fn request(product: &TestProduct, units: u32, key: &str) -> PurchaseRequest {
    PurchaseRequest {
        product_id: product.id,
        quantity: units_of(units),
        claim: Some(claim(key, "purchase", &[&units.to_string()])),
        lane_id: product.lane_id(),
    }
}

pub(super) async fn accept(server: &Shop, request: PurchaseRequest) -> Result<Accepted, ShopError> {
    let outcome = server.accept(STREAM, request).await;
    outcome.result.map_err(ShopError::from)
}

/// Returns the id of an order that waits in the queue.
pub(super) async fn queued(server: &Shop, request: PurchaseRequest) -> String {
    match accept(server, request).await {
        Ok(Accepted::InQueue { order_id, .. }) => order_id.to_string(),
        other => panic!("it is not in the queue: {other:?}"),
    }
}

/// Follows an order until it does not wait any more.
pub(super) async fn follow(server: &Shop, order_id: &str) -> Result<OrderState, ShopError> {
    within(PATIENCE, "the order's outcome", async {
        loop {
            match server.queue().follow(order_id).await {
                Ok(OrderState::Waiting { .. }) => tokio::time::sleep(POLL).await,
                outcome => return outcome,
            }
        }
    })
    .await
}

pub(super) async fn check_written(server: &Shop, order_id: &str) {
    match follow(server, order_id).await {
        Ok(OrderState::Written(order)) => assert_eq!(order.public_id, order_id),
        other => panic!("order {order_id} is not written: {other:?}"),
    }
}

/// Puts an order into the queue as a server does that is killed before it writes it.
pub(super) async fn leave_in_queue(server: &Shop, order: &QueuedOrder) {
    let gate = server.gate().expect("it has one");
    let accepted = OrderQueue::beside(gate).accept(order, false).await;
    accepted.expect("Redis answers");
}

/// Consumes as a server does, until the guard is dropped.
pub(super) fn consume(server: &Shop) -> DropGuard {
    let (server, stop) = (server.clone(), CancellationToken::new());
    let token = stop.clone();
    tokio::spawn(async move { server.queue().consume(&token).await });
    stop.drop_guard()
}

/// Waits until no order waits any more.
pub(super) async fn until_acknowledged(queue: &OrderQueue) {
    within(PATIENCE, "the acknowledgement", async {
        while queue.state().await.expect("Redis answers").waiting > 0 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_accepted_order_is_written_once_and_its_key_names_it() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let server = on(&shop, &redis);
    let first = queued(&server, request(&product, 2, "the first order")).await;
    let again = queued(&server, request(&product, 2, "the first order")).await;
    assert_eq!(first, again, "one key, one order");
    check_written(&server, &first).await;
    let after = queued(&server, request(&product, 2, "the first order")).await;
    assert_eq!(first, after);
    let other = accept(&server, request(&product, 1, "the first order")).await;
    assert_eq!(other, Err(ShopError::IdempotencyKeyReused));
    assert_eq!(shop.units_ordered(&product).await, 2);
    // A buyer who waits gets the receipt, also for a key that is known.
    let bought = server.purchase(STREAM, request(&product, 2, "the first order"));
    let receipt = Receipt {
        order_id: first,
        remaining_stock: Some(3),
    };
    let bought = bought.await.result.map_err(ShopError::from);
    assert_eq!(bought, Ok(receipt));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_refused_order_stays_refused_although_stock_comes_back() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let server = on(&shop, &redis);
    let order = QueuedOrder::new(&request(&product, 3, "three of one"));
    leave_in_queue(&server, &order).await;
    let consumer = consume(&server);
    let order_id = order.order_id.to_string();
    let refusal = Err(product.insufficient(1, 3));
    assert_eq!(follow(&server, &order_id).await, refusal);
    shop.restock(&product, 9).await;
    // Its entry comes again, as after a crash before it was acknowledged.
    leave_in_queue(&server, &order).await;
    let gate = server.gate().expect("it has one");
    within(PATIENCE, "the entry", async {
        while OrderQueue::beside(gate).place(order.order_id).await.ok() != Some(Place::Absent) {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    assert_eq!(follow(&server, &order_id).await, refusal);
    assert_eq!(shop.units_ordered(&product).await, 0);
    // The buyer may try again with the same key, as with every strategy.
    let again = queued(&server, request(&product, 3, "three of one")).await;
    assert_ne!(again, order_id);
    check_written(&server, &again).await;
    drop(consumer);
    let rule = server.queue().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{:?}", rule.listed);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn two_entries_with_one_key_are_one_order() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let server = on(&shop, &redis);
    let first = QueuedOrder::new(&request(&product, 1, "lost by Redis"));
    leave_in_queue(&server, &first).await;
    let consumer = consume(&server);
    check_written(&server, &first.order_id.to_string()).await;
    // Redis has lost the key, and accepts it again.
    redis.flush();
    let second = QueuedOrder::new(&request(&product, 1, "lost by Redis"));
    leave_in_queue(&server, &second).await;
    match follow(&server, &second.order_id.to_string()).await {
        Ok(OrderState::Written(order)) => {
            assert_eq!(order.public_id, first.order_id.to_string());
        }
        other => panic!("it is the first order: {other:?}"),
    }
    drop(consumer);
    assert_eq!(shop.units_ordered(&product).await, 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_entries_of_a_crashed_consumer_are_claimed() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let server = on(&shop, &redis);
    let order = QueuedOrder::new(&request(&product, 1, "taken and left"));
    leave_in_queue(&server, &order).await;
    let queue = OrderQueue::beside(server.gate().expect("it has one"));
    let taken = queue.take("a consumer that crashes", false).await;
    let (entries, _) = taken.expect("Redis answers");
    assert_eq!(entries.len(), 1);
    let place = queue.place(order.order_id).await.expect("Redis answers");
    assert_eq!(place, Place::Waiting { ahead: 0 });
    let consumer = consume(&server);
    check_written(&server, &order.order_id.to_string()).await;
    drop(consumer);
    until_acknowledged(&queue).await;
    check_audit_clean(&shop).await;
}

/// An order that the database cannot write does not keep the others from being written.
#[tokio::test]
async fn poison_becomes_a_dead_letter_about_which_an_administrator_decides() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(30).await;
    let connection = Redis::at(&redis.url()).expect("it is a URL");
    let server = shop
        .handle()
        .with_gate(Some(StockGate::new(connection, "poison")));
    let cannot_write = "ALTER TABLE order_line ADD CONSTRAINT poison CHECK (quantity <> 7)";
    shop.by_hand.run(cannot_write).await;
    let broken = redis.command("XADD doorbuster:poison:queue * order nonsense");
    assert!(broken.starts_with('$'), "{broken}");
    let poison = queued(&server, request(&product, 7, "seven units")).await;
    let refused = queued(&server, request(&product, 7, "seven more")).await;
    let sound = queued(&server, request(&product, 1, "one unit")).await;
    check_written(&server, &sound).await;
    for order in [&poison, &refused] {
        assert_eq!(follow(&server, order).await, Ok(OrderState::Held));
    }
    let report = server.queue().inspect().await.expect("Redis answers");
    assert_eq!(report.state.dead_letters, 3);
    assert_eq!(report.durability, Durability::None);
    let letter = |order_id: Option<&str>| {
        let letters = report.dead_letters.iter();
        let mut found = letters.filter(|(letter, _)| {
            let order = letter
                .order
                .as_ref()
                .map(|order| order.order_id.to_string());
            order.as_deref() == order_id
        });
        found.next().expect("it is listed").clone()
    };
    let (of_poison, name) = letter(Some(poison.as_str()));
    assert_eq!(name.as_deref(), Some(product.name.as_str()));
    assert!(of_poison.reason.contains("poison"), "{of_poison:?}");

    shop.by_hand
        .run("ALTER TABLE order_line DROP CONSTRAINT poison")
        .await;
    // Every order is settled, so no task of this process consumes any more.
    let consumer = consume(&server);
    let administrator = administrator();
    let decide = server.queue_administration(&administrator);
    decide.put_back(&of_poison.id).await.expect("it is there");
    check_written(&server, &poison).await;
    let (of_refused, _) = letter(Some(refused.as_str()));
    decide.reject(&of_refused.id).await.expect("it is there");
    let answer = follow(&server, &refused).await;
    assert!(
        matches!(answer, Err(ShopError::InvalidState(_))),
        "{answer:?}"
    );
    let (unreadable, _) = letter(None);
    let nothing = decide.put_back(&unreadable.id).await;
    assert!(
        matches!(nothing, Err(ShopError::InvalidState(_))),
        "{nothing:?}"
    );
    decide.reject(&unreadable.id).await.expect("it is removed");
    for id in [of_poison.id.as_str(), "0-0", "nonsense", ""] {
        let gone = decide.reject(id).await;
        assert!(
            matches!(gone, Err(ShopError::InvalidState(_))),
            "{id}: {gone:?}"
        );
    }
    drop(consumer);
    let report = server.queue().inspect().await.expect("Redis answers");
    assert_eq!(report.state.dead_letters, 0);
    assert_eq!(shop.units_ordered(&product).await, 8);
    check_audit_clean(&shop).await;
}

/// What Redis loses, the server that accepted it still knows.
#[tokio::test]
async fn a_flushed_redis_loses_no_order_of_a_server_that_runs() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    let server = on(&shop, &redis);
    let mut orders = Vec::new();
    for number in 0..20 {
        let key = format!("before the failure {number}");
        orders.push(queued(&server, request(&product, 1, &key)).await);
        match number {
            9 => redis.flush(),
            19 => redis.kill(),
            _ => {}
        }
    }
    for order in &orders {
        check_written(&server, order).await;
    }
    // Without Redis, an order is written in its request.
    match accept(&server, request(&product, 1, "without Redis")).await {
        Ok(Accepted::Written(_)) => {}
        other => panic!("it is not written: {other:?}"),
    }
    assert_eq!(shop.units_ordered(&product).await, 21);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn sold_out_is_known_before_the_queue() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let server = on(&shop, &redis);
    let order = queued(&server, request(&product, 1, "the last unit")).await;
    check_written(&server, &order).await;
    let second = queued(&server, request(&product, 1, "one too many")).await;
    assert_eq!(
        follow(&server, &second).await,
        Err(product.insufficient(0, 1))
    );
    // The row has just refused it: other servers need not queue an order to know. On a slow
    // machine, the refusal may be too old to be repeated, and is renewed.
    let other = server.clone().as_in_another_process();
    let refused = within(PATIENCE, "a refusal before the queue", async {
        for attempt in 0.. {
            let key = format!("another server {attempt}");
            match accept(&other, request(&product, 1, &key)).await {
                Ok(Accepted::InQueue { order_id, .. }) => {
                    let answer = follow(&other, &order_id.to_string()).await;
                    assert_eq!(answer, Err(product.insufficient(0, 1)));
                }
                Err(refused) => return Some(refused),
                Ok(written) => panic!("it is sold out: {written:?}"),
            }
        }
        None
    });
    assert_eq!(refused.await, Some(product.insufficient(0, 1)));
    tokio::time::sleep(REFUSAL_TTL * 2).await;
    shop.restock(&product, 1).await;
    let bought = queued(&server, request(&product, 1, "after the delivery")).await;
    check_written(&server, &bought).await;
    check_audit_clean(&shop).await;
}

/// An acknowledged entry without an outcome is a violation.
#[tokio::test]
async fn the_audit_compares_the_stream_with_the_orders() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    shop.without_final_audit();
    let product = shop.with_product(5).await;
    let server = on(&shop, &redis);
    let order = queued(&server, request(&product, 1, "lost by the database")).await;
    check_written(&server, &order).await;
    let queue = OrderQueue::beside(server.gate().expect("it has one"));
    until_acknowledged(&queue).await;
    let rule = server.queue().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{:?}", rule.listed);
    shop.by_hand
        .run(&format!(
            "UPDATE customer_order SET public_id = '{}' WHERE public_id = '{order}'",
            uuid::Uuid::now_v7()
        ))
        .await;
    let rule = server.queue().audit().await.expect("Redis answers");
    let sentence = format!("order {order} was acknowledged and has no outcome");
    assert_eq!(rule.listed, [sentence]);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_read_is_an_error_for_its_order_alone() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let server = on(&shop, &redis);
    let [unreadable, other] = ["one", "other"].map(|key| request(&product, 1, key));
    let [unreadable, other] = [unreadable, other].map(|request| QueuedOrder::new(&request));
    let id = unreadable.order_id;
    shop.by_hand
        .run(&format!(
            "INSERT INTO queue_outcome (order_id, outcome) VALUES ('{id}', 'cut o')"
        ))
        .await;
    for order in [&unreadable, &other] {
        leave_in_queue(&server, order).await;
    }
    let consumer = consume(&server);
    check_written(&server, &other.order_id.to_string()).await;
    let followed = follow(&server, &id.to_string()).await;
    assert!(
        matches!(followed, Err(ShopError::Internal { .. })),
        "{followed:?}"
    );
    drop(consumer);
    assert_eq!(
        shop.units_ordered(&product).await,
        1,
        "it is not decided again"
    );
    check_audit_clean(&shop).await;
}
