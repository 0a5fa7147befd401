//! Faults by other sessions of the database: locks, an idle transaction, slow statements, and a
//! crowd that takes all connections of the shop's pool.

use std::time::Duration;

use doorbuster::{db::engine::Engine, model::StrategyKey};

use super::{
    fault::Fault,
    metrics::{Change, Metric, metric},
    scene::{Product, Scene},
};
use crate::support::database::ByHand;

/// More than the shop's pool has connections for transactions, several times.
const CROWD: usize = 60;
/// So many transactions wait for a connection then.
const WAITING: f64 = 20.0;
/// Longer than the shop waits for a lock.
const LOCKED_FOR: Duration = Duration::from_secs(4);

/// `row-lock` never waits so long for a lock that another purchase holds.
const LOCK_TIMEOUTS: Metric = metric!(Change::Grows;
    1.0 * "doorbuster_transaction_rollbacks_total" {
        "transaction": "row-lock", "sqlstate": "55P03"
    }
);
const IDLE_IN_TRANSACTION: Metric = metric!(Change::Reaches(1.0);
    1.0 * "doorbuster_database_sessions_idle_in_transaction" {}
);
const POOL_WAITING: Metric = metric!(Change::Reaches(WAITING);
    1.0 * "doorbuster_pool_waiting" { "pool": "shop" }
);

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "another session locks all stock rows",
        cause: |scene| Box::pin(lock_all_rows(scene)),
        lasts: LOCKED_FOR,
        moves: LOCK_TIMEOUTS,
        ..Fault::NONE
    },
    Fault {
        name: "another session is idle in a transaction, with a lock",
        cause: |scene| Box::pin(stay_idle(scene)),
        lasts: LOCKED_FOR,
        // The figures of the database are read every ten seconds.
        lasts_max: Duration::from_secs(15),
        moves: IDLE_IN_TRANSACTION,
        ..Fault::NONE
    },
    Fault {
        name: "statements take a second longer",
        cause: |scene| Box::pin(slow_down(scene)),
        cure: |scene| Box::pin(speed_up(scene)),
        lasts: Duration::from_secs(5),
        moves: Metric::SLOW_PURCHASES,
        ..Fault::NONE
    },
    Fault {
        name: "the shop's pool is exhausted",
        cause: |scene| Box::pin(crowd(scene)),
        lasts: LOCKED_FOR,
        moves: POOL_WAITING,
        ..Fault::NONE
    },
];

/// Locks the stock of these products in every layout, in a transaction that stays open.
pub async fn lock(by_hand: &ByHand, products: &[i64]) {
    let products: Vec<_> = products.iter().map(ToString::to_string).collect();
    let products = products.join(", ");
    by_hand.run("BEGIN").await;
    // In the order of the strategies: there is no deadlock.
    for (table, key) in [
        ("stock", "product_id"),
        ("stock_bucket", "product_id, bucket"),
        ("stock_unit", "product_id, unit"),
    ] {
        let lock = format!(
            "SELECT 1 FROM {table} WHERE product_id IN ({products}) ORDER BY {key} FOR UPDATE"
        );
        by_hand.run(&lock).await;
    }
}

async fn lock_all_rows(scene: &mut Scene) {
    let products: Vec<_> = scene
        .products
        .iter()
        .map(|(_, product)| product.id)
        .collect();
    let by_hand = scene.by_hand().await;
    lock(&by_hand, &products).await;
    scene.held.transactions.push(by_hand);
}

/// The lock is that of one product: the others go on selling.
async fn stay_idle(scene: &mut Scene) {
    let (_, product) = scene.products.first().expect("a safe strategy");
    let (by_hand, product) = (scene.by_hand().await, product.id);
    lock(&by_hand, &[product]).await;
    scene.held.transactions.push(by_hand);
}

/// Lets every new order wait in the database.
async fn slow_down(scene: &mut Scene) {
    let by_hand = scene.by_hand().await;
    let statements: &[&str] = match by_hand.engine() {
        Engine::Postgres => &[
            "CREATE FUNCTION slow_order() RETURNS trigger LANGUAGE plpgsql \
             AS 'BEGIN PERFORM pg_sleep(1); RETURN NEW; END'",
            "CREATE TRIGGER slow_order BEFORE INSERT ON customer_order \
             FOR EACH ROW EXECUTE FUNCTION slow_order()",
        ],
        Engine::MySql => &["CREATE TRIGGER slow_order BEFORE INSERT ON customer_order \
                            FOR EACH ROW DO SLEEP(1)"],
    };
    for statement in statements {
        by_hand.run(statement).await;
    }
}

async fn speed_up(scene: &mut Scene) {
    let by_hand = scene.by_hand().await;
    let statements: &[&str] = match by_hand.engine() {
        Engine::Postgres => &[
            "DROP TRIGGER slow_order ON customer_order",
            "DROP FUNCTION slow_order()",
        ],
        Engine::MySql => &["DROP TRIGGER slow_order"],
    };
    for statement in statements {
        by_hand.run(statement).await;
    }
}

/// Locks a product, and lets a crowd buy it: each waits for the lock on a connection of the pool.
async fn crowd(scene: &mut Scene) {
    let product = scene.product(Product::Spare).clone();
    let by_hand = scene.by_hand().await;
    lock(&by_hand, &[product.id]).await;
    scene.held.transactions.push(by_hand);
    for buyer in 0..CROWD {
        let (market, product) = (scene.market.clone(), product.clone());
        let key = format!("crowd-buyer-{buyer:04}-of-{CROWD}");
        scene.clients.spawn(async move {
            market.buy(StrategyKey::RowLock, &product, &key).await;
        });
    }
}
