//! Concurrent buyers in this process that call the shop's own purchase code in a closed loop: each
//! one buys again as soon as it gets a response.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use doorbuster::{
    db::{Db, PoolSettings},
    feed::Feed,
    model::{Quantity, ShopError, StrategyKey},
    shop::{
        Shop,
        idempotency::{Claim, Key},
        inventory::{PurchaseRequest, gate::StockGate},
    },
};
use tokio::task::JoinSet;

use crate::{
    Failure,
    lane::Lane,
    order_times::{MeanTimes, OrderTimes},
    window::{self, Window},
};

/// The shop's number of concurrent transactions, with the timeouts of a simulation: a wait is
/// measured, and never becomes an error.
pub const POOL: PoolSettings = PoolSettings {
    transactions_max: PoolSettings::SHOP.transactions_max,
    ..PoolSettings::SIMULATION
};
/// The longest duration of one attempt.
const DEADLINE: Duration = Duration::from_secs(600);

/// The responses that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Orders,
    Rejections,
}

/// The buyers of a cell, and how long they buy.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub strategy: StrategyKey,
    pub buyers: u32,
    pub warm_up: Duration,
    pub time: Duration,
}

/// The result of a crowd's purchases.
#[derive(Debug)]
pub struct PurchaseRate {
    /// The counted responses within the measured time.
    pub measured: Window,
    /// Of the orders in the measured time; `None` if there were none.
    pub times: Option<MeanTimes>,
    /// All acknowledged orders, including those of the warm-up.
    pub acknowledged: u64,
}

#[derive(Default)]
struct Tally {
    measuring: AtomicBool,
    stopped: AtomicBool,
    orders: AtomicU64,
    rejections: AtomicU64,
    failures: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

impl Tally {
    fn count(&self, count: Count) -> u64 {
        match count {
            Count::Orders => self.orders.load(Ordering::Relaxed),
            Count::Rejections => self.rejections.load(Ordering::Relaxed),
        }
    }

    fn record_failure(&self, message: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut first = self
            .first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(message);
    }
}

/// Runs the crowd's purchases from `lane` in the database at `url`, with gates in Redis if the
/// strategy needs them.
pub async fn buy(
    url: &str,
    gate: Option<StockGate>,
    lane: Lane,
    crowd: Crowd,
    count: Count,
) -> Result<PurchaseRate, Failure> {
    let db = Db::connect(url, POOL).await?;
    db.warm_up().await?;
    let shop = Shop::new(db.clone(), Feed::default())
        .with_deadline(DEADLINE)
        .with_gate(gate);
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for buyer in 0..crowd.buyers {
        tasks.spawn(buy_until_stopped(
            shop.clone(),
            crowd.strategy,
            lane,
            buyer,
            Arc::clone(&tally),
        ));
    }
    tokio::time::sleep(crowd.warm_up).await;
    tally.measuring.store(true, Ordering::Relaxed);
    let measured = window::measure(crowd.time, || tally.count(count)).await;
    tally.measuring.store(false, Ordering::Relaxed);
    tally.stopped.store(true, Ordering::Relaxed);
    let mut times = OrderTimes::default();
    for of_buyer in tasks.join_all().await {
        times.merge(of_buyer);
    }
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
    if count == Count::Orders && tally.count(Count::Rejections) > 0 {
        return Err("the stock sold out within the measured time".into());
    }
    Ok(PurchaseRate {
        measured,
        times: times.mean(),
        acknowledged: tally.count(Count::Orders),
    })
}

async fn buy_until_stopped(
    shop: Shop,
    strategy: StrategyKey,
    lane: Lane,
    buyer: u32,
    tally: Arc<Tally>,
) -> OrderTimes {
    let mut times = OrderTimes::default();
    for turn in 0_u64.. {
        if tally.stopped.load(Ordering::Relaxed) {
            break;
        }
        let request = match request(lane, &format!("bench-client-{buyer}:{turn}")) {
            Ok(request) => request,
            Err(error) => {
                tally.record_failure(error.to_string());
                break;
            }
        };
        let outcome = shop.purchase(strategy, request).await;
        match outcome.result {
            Ok(_) => {
                tally.orders.fetch_add(1, Ordering::Relaxed);
                if tally.measuring.load(Ordering::Relaxed) {
                    times.add(outcome.split);
                }
            }
            Err(error) => {
                let error = ShopError::from(error);
                if error.is_rejection() {
                    tally.rejections.fetch_add(1, Ordering::Relaxed);
                } else {
                    tally.record_failure(error.to_string());
                }
            }
        }
    }
    times
}

/// A request for one unit from the lane, with its own idempotency key.
pub fn request(lane: Lane, key: &str) -> Result<PurchaseRequest, ShopError> {
    let product = lane.product_id.to_string();
    Ok(PurchaseRequest {
        product_id: lane.product_id,
        quantity: Quantity::ONE,
        claim: Some(Claim::new(
            Key::of_unknown_caller(key)?,
            "purchase",
            &[&product, "1"],
        )),
        lane_id: Some(lane.id),
    })
}
