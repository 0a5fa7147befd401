//! Buyers in this process that call the shop's own purchase code.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use doorbuster::{
    db::{Db, PoolSettings},
    feed::Feed,
    model::{Quantity, ShopError, StrategyKey},
    shop::{
        Shop,
        administrator::Administrator,
        idempotency::{Claim, Key},
        inventory::PurchaseRequest,
        stock_admin,
    },
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    Failure,
    database::Database,
    pace::{self, Load, Pace},
};

/// The product that is measured: the first of the catalogue, which is always on sale and has no
/// limit per customer.
pub const HOT_PRODUCT: i64 = 1;
/// The shop's number of concurrent transactions, with the timeouts of a simulation: a wait is
/// measured, and never becomes an error.
const POOL: PoolSettings = PoolSettings {
    transactions_max: PoolSettings::SHOP.transactions_max,
    ..PoolSettings::SIMULATION
};
/// Buyers who buy again as soon as they get a response.
const BUYERS: u32 = 64;
const WARM_UP: Duration = Duration::from_millis(500);
/// The longest duration of one attempt.
const DEADLINE: Duration = Duration::from_secs(600);

/// Opens a pool with the size of a served shop's, and a shop on it.
pub async fn open_shop(database: &Database) -> Result<(Db, Shop), Failure> {
    let db = Db::connect(&database.url, POOL).await?;
    db.warm_up().await?;
    let shop = Shop::new(db.clone(), Feed::default()).with_deadline(DEADLINE);
    Ok((db, shop))
}

/// Fills the product's stock up to a million units, by a stock-take.
pub async fn restock(shop: &Shop, product_id: i64) -> Result<(), ShopError> {
    let administrator = Administrator::at_the_command_line();
    shop.stock_administration(&administrator)
        .record_count(product_id, stock_admin::COUNT_MAX, "Growth benchmark", None)
        .await
}

/// The same for the measured product of a database.
pub async fn restock_hot_product(database: &Database) -> Result<(), Failure> {
    let (db, shop) = open_shop(database).await?;
    let restocked = restock(&shop, HOT_PRODUCT).await;
    drop(shop);
    db.close().await;
    Ok(restocked?)
}

/// Buys one unit, with an idempotency key of its own as every client of the shop sends one.
pub async fn buy(shop: &Shop, strategy: StrategyKey, product_id: i64) -> Result<(), ShopError> {
    let product = product_id.to_string();
    let key = Key::of_unknown_caller(&Uuid::now_v7().to_string())?;
    let claim = Claim::new(key, "purchase", &[&product, "1"]);
    purchase(shop, strategy, product_id, Some(claim)).await
}

/// Buys one unit without a key: the order remains when the keys of its time have expired.
pub async fn buy_without_key(
    shop: &Shop,
    strategy: StrategyKey,
    product_id: i64,
) -> Result<(), ShopError> {
    purchase(shop, strategy, product_id, None).await
}

async fn purchase(
    shop: &Shop,
    strategy: StrategyKey,
    product_id: i64,
    claim: Option<Claim>,
) -> Result<(), ShopError> {
    let request = PurchaseRequest {
        product_id,
        quantity: Quantity::ONE,
        claim,
        lane_id: None,
    };
    let outcome = shop.purchase(strategy, request).await;
    outcome.result.map(drop).map_err(ShopError::from)
}

#[derive(Default)]
struct Tally {
    stopped: AtomicBool,
    orders: AtomicU64,
}

/// Returns how many orders of the hot product 64 buyers place per second, measured for `time`.
pub async fn orders_per_second(
    database: &Database,
    strategy: StrategyKey,
    time: Duration,
) -> Result<f64, Failure> {
    let (db, shop) = open_shop(database).await?;
    let tally = Arc::new(Tally::default());
    let mut buyers = JoinSet::new();
    for _ in 0..BUYERS {
        buyers.spawn(buy_until_stopped(
            shop.clone(),
            strategy,
            Arc::clone(&tally),
        ));
    }
    drop(shop);
    let orders = || tally.orders.load(Ordering::Relaxed);
    tokio::time::sleep(WARM_UP).await;
    let (before, start) = (orders(), Instant::now());
    tokio::time::sleep(time).await;
    let (after, elapsed) = (orders(), start.elapsed());
    tally.stopped.store(true, Ordering::Relaxed);
    while let Some(ended) = buyers.join_next().await {
        ended??;
    }
    db.close().await;
    Ok(per_second(after - before, elapsed))
}

async fn buy_until_stopped(
    shop: Shop,
    strategy: StrategyKey,
    tally: Arc<Tally>,
) -> Result<(), ShopError> {
    while !tally.stopped.load(Ordering::Relaxed) {
        buy(&shop, strategy, HOT_PRODUCT).await?;
        tally.orders.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Returns a rate.
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}

/// Adds the buyers to a load: purchases of the hot product at its pace.
pub fn add_to(load: &mut Load, shop: &Shop, strategy: StrategyKey) {
    for _ in 0..pace::WORKERS {
        let worker = buy_at_pace(shop.clone(), strategy, load.pace());
        load.add(worker);
    }
}

async fn buy_at_pace(
    shop: Shop,
    strategy: StrategyKey,
    pace: Arc<Pace>,
) -> Result<Vec<Duration>, Failure> {
    let mut latencies = Vec::new();
    while let Some(since) = pace.wait_for_turn().await {
        buy(&shop, strategy, HOT_PRODUCT).await?;
        latencies.push(since.elapsed());
    }
    Ok(latencies)
}
