//! Concurrent buyers in this process, who call the shop's own purchase code in a closed loop: each buys again as soon as it is answered.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use doorbuster::{
    db::{Db, PoolSettings},
    feed::Feed,
    model::{Quantity, ShopError, StrategyKey},
    shop::{Shop, idempotency::Claim, inventory::PurchaseRequest},
};
use tokio::task::JoinSet;

use crate::{Failure, lane::Lane};

/// As many transactions at once as the shop has, and the patience of a simulation: a wait is measured, and never turned into an error.
pub const POOL: PoolSettings = PoolSettings {
    transactions_max: PoolSettings::SHOP.transactions_max,
    ..PoolSettings::SIMULATION
};
/// The longest that one attempt may take.
const DEADLINE: Duration = Duration::from_secs(600);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Orders,
    Rejections,
}

/// Who buys, for how long.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub strategy: StrategyKey,
    pub buyers: u32,
    pub warm_up: Duration,
    pub time: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Answers {
    /// Of what was counted, within the time.
    pub per_second: f64,
    /// Orders that were acknowledged from the first moment to the last.
    pub acknowledged: u64,
}

#[derive(Default)]
struct Tally {
    over: AtomicBool,
    orders: AtomicU64,
    rejections: AtomicU64,
    failures: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

impl Tally {
    fn of(&self, count: Count) -> u64 {
        match count {
            Count::Orders => self.orders.load(Ordering::Relaxed),
            Count::Rejections => self.rejections.load(Ordering::Relaxed),
        }
    }

    fn fail(&self, sentence: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut first = self
            .first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(sentence);
    }
}

/// Lets the crowd buy from `lane` through the database at `url`.
pub async fn buy(url: &str, lane: Lane, crowd: Crowd, count: Count) -> Result<Answers, Failure> {
    let db = Db::connect(url, POOL).await?;
    db.warm_up().await?;
    let shop = Shop::new(db.clone(), Feed::default()).with_deadline(DEADLINE);
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for buyer in 0..crowd.buyers {
        tasks.spawn(buy_until_over(
            shop.clone(),
            crowd.strategy,
            lane,
            buyer,
            Arc::clone(&tally),
        ));
    }
    tokio::time::sleep(crowd.warm_up).await;
    let (before, start) = (tally.of(count), Instant::now());
    tokio::time::sleep(crowd.time).await;
    let (after, elapsed) = (tally.of(count), start.elapsed());
    tally.over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    drop(shop);
    db.close().await;
    let failures = tally.failures.load(Ordering::Relaxed);
    if failures > 0 {
        let first = tally
            .first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        return Err(format!(
            "{failures} attempts failed: {}",
            first.as_deref().unwrap_or_default()
        )
        .into());
    }
    if count == Count::Orders && tally.of(Count::Rejections) > 0 {
        return Err("the stock was too small for the time".into());
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let counted = (after - before) as f64;
    Ok(Answers {
        per_second: counted / elapsed.as_secs_f64(),
        acknowledged: tally.of(Count::Orders),
    })
}

async fn buy_until_over(
    shop: Shop,
    strategy: StrategyKey,
    lane: Lane,
    buyer: u32,
    tally: Arc<Tally>,
) {
    for turn in 0_u64.. {
        if tally.over.load(Ordering::Relaxed) {
            return;
        }
        let request = match request(lane, &format!("{buyer}:{turn}")) {
            Ok(request) => request,
            Err(error) => return tally.fail(error.to_string()),
        };
        match shop.purchase(strategy, request).await.result {
            Ok(_) => {
                tally.orders.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                let error = ShopError::from(error);
                if error.is_rejection() {
                    tally.rejections.fetch_add(1, Ordering::Relaxed);
                } else {
                    tally.fail(error.to_string());
                }
            }
        }
    }
}

/// One unit from the lane, under a key of its own.
pub fn request(lane: Lane, key: &str) -> Result<PurchaseRequest, ShopError> {
    let product = lane.product_id.to_string();
    Ok(PurchaseRequest {
        product_id: lane.product_id,
        quantity: Quantity::ONE,
        claim: Some(Claim::new(key, "purchase", &[&product, "1"])?),
        lane_id: Some(lane.id),
    })
}
