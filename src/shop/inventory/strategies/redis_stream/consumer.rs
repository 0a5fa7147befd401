//! The consumer of a process: takes entries of the queue, and writes them to the database in
//! batches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    order_writer::{self, FAILURE_PAUSE},
    own_orders::{FOLLOW_EVERY, OwnOrders},
};
use crate::{
    config::crash_point,
    db::txn::{self, ErrorChain, Outcome, TxnError},
    model::StrategyKey,
    redis::Unavailable,
    shop::{
        Shop,
        inventory::{
            InjectionPoint,
            gate::{LevelWrite, RedisClock, StockGate},
            order_queue::{Acknowledged, Entry, OrderQueue},
            queue_followers::Followers,
            queued_order::QueuedOrder,
            strategies::micro_batch::transaction::{RowLevel, Written},
        },
    },
};

/// The shortest and the longest pause of a consumer that finds nothing.
const IDLE_MIN: Duration = Duration::from_millis(2);
const IDLE_MAX: Duration = Duration::from_millis(50);
/// How often a consumer claims entries of others.
const CLAIM_EVERY: Duration = Duration::from_millis(500);
/// How often a consumer looks for entries that Redis has lost.
const RESTORE_EVERY: Duration = Duration::from_secs(2);
/// How often a consumer removes old entries.
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// An entry that was taken so often is written alone: it may be the reason why consumers crash.
const ALONE_FROM: u32 = 3;
/// The most deliveries of an entry. Crashes for other reasons count, too, so they are many.
const DELIVERIES_MAX: u32 = 32;

/// Lets this process consume for as long as it follows an order, unless it does so already.
pub fn start(shop: &Shop) {
    let Some(gate) = shop.gate() else { return };
    let followers = Arc::clone(gate.followers());
    followers.wake();
    if followers.is_consuming() {
        return;
    }
    let mut consumer = Consumer::of(shop, gate);
    tokio::spawn(async move {
        // An order that is followed after the last look finds no consumer, or is seen here.
        while followers.count() > 0 {
            let Some(_consuming) = followers.try_consume() else {
                return;
            };
            consumer.run(|| followers.count() == 0).await;
        }
    });
}

/// See [`super::consume`].
pub async fn serve(shop: &Shop, shutdown: &CancellationToken) {
    let Some(gate) = shop.gate() else {
        return shutdown.cancelled().await;
    };
    let followers = Arc::clone(gate.followers());
    let mut consumer = Consumer::of(shop, gate);
    while !shutdown.is_cancelled() {
        match followers.try_consume() {
            Some(_consuming) => consumer.run(|| shutdown.is_cancelled()).await,
            None => sleep(FAILURE_PAUSE).await,
        }
    }
}

/// True if the batch may be too large, or one of its stock rows is locked by another session.
fn is_late(error: &TxnError) -> bool {
    matches!(
        error,
        TxnError::DeadlinePassed { .. } | TxnError::Exhausted { .. }
    )
}

/// Divides a batch that was late: the products without the first order's come first, because its
/// row may be locked. The orders of one product are halved, in their order.
fn halves(batch: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let product_id = batch.first().map(|job| job.order.product_id);
    let is_of_first = |job: &Job| Some(job.order.product_id) == product_id;
    let (mut of_first, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_of_first);
    if !others.is_empty() {
        return (others, of_first);
    }
    let second = of_first.split_off(of_first.len() / 2);
    (of_first, second)
}

/// An entry with its order.
struct Job {
    entry: Entry,
    order: QueuedOrder,
}

/// See the module's documentation.
struct Consumer {
    shop: Shop,
    gate: StockGate,
    queue: OrderQueue,
    followers: Arc<Followers>,
    own_orders: OwnOrders,
    /// The clock of Redis when the last entries were taken.
    clock: Option<RedisClock>,
    claim_at: Instant,
    follow_at: Instant,
    restore_at: Instant,
    trim_at: Instant,
}

impl Consumer {
    fn of(shop: &Shop, gate: &StockGate) -> Self {
        let now = Instant::now();
        let shop = shop
            .clone()
            .with_injection_point(InjectionPoint::Disabled)
            .with_deadline(txn::REQUEST_DEADLINE);
        let (queue, followers) = (OrderQueue::beside(gate), Arc::clone(gate.followers()));
        Self {
            own_orders: OwnOrders::new(shop.clone(), queue.clone(), Arc::clone(&followers)),
            queue,
            gate: gate.clone(),
            followers,
            clock: None,
            shop,
            claim_at: now,
            follow_at: now + FOLLOW_EVERY,
            restore_at: now + RESTORE_EVERY,
            trim_at: now + TRIM_EVERY,
        }
    }

    async fn run(&mut self, is_over: impl Fn() -> bool + Send + Sync) {
        let mut idle = IDLE_MIN;
        while !is_over() {
            match self.round().await {
                Ok(0) => {
                    self.followers.wait_for_orders(idle).await;
                    idle = (idle * 2).min(IDLE_MAX);
                }
                Ok(_) => idle = IDLE_MIN,
                // The connection logs when Redis goes and comes.
                Err(_) => sleep(FAILURE_PAUSE).await,
            }
            if is_due(&mut self.follow_at, FOLLOW_EVERY) {
                self.own_orders.look_after().await;
            }
            if is_due(&mut self.restore_at, RESTORE_EVERY) {
                self.restore_lost().await;
            }
            if is_due(&mut self.trim_at, TRIM_EVERY)
                && let Err(error) = self.queue.trim().await
            {
                tracing::debug!(%error, "could not remove old entries of the queue; they are removed later");
            }
        }
    }

    /// Takes entries and decides their orders. Returns the number of entries.
    async fn round(&mut self) -> Result<usize, Unavailable> {
        let claims = is_due(&mut self.claim_at, CLAIM_EVERY);
        let taken = self.queue.take(&self.followers.consumer, claims).await?;
        let (entries, clock) = taken;
        self.clock = Some(clock);
        let taken = entries.len();
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.order() {
                None => {
                    let reason = "the entry contains no order";
                    self.queue.bury(&entry, reason).await?;
                }
                Some(order) if entry.deliveries > DELIVERIES_MAX => {
                    let reason = "each consumer that took it has failed";
                    self.bury(&Job { entry, order }, reason).await?;
                }
                Some(order) if entry.deliveries >= ALONE_FROM => alone.push(Job { entry, order }),
                Some(order) => together.push(Job { entry, order }),
            }
        }
        while !together.is_empty() {
            let (batch, rest) = order_writer::split_by_key(together, |job| job.order.key());
            self.decide(batch).await?;
            together = rest;
        }
        for job in alone {
            self.decide_alone(job).await?;
        }
        Ok(taken)
    }

    /// Decides the orders of a batch, with different keys. Tries again until the database is there:
    /// the orders were accepted.
    async fn decide(&self, batch: Vec<Job>) -> Result<(), Unavailable> {
        let orders: Vec<QueuedOrder> = batch.iter().map(|job| job.order.clone()).collect();
        loop {
            let (result, cost) = order_writer::write(&self.shop, &orders).await.into_parts();
            match result {
                Ok(written) => return self.finish(&batch, written, &cost).await,
                Err(error) if order_writer::is_permanent(&error) => break,
                Err(error) if is_late(&error) && batch.len() > 1 => {
                    let (first, second) = halves(batch);
                    Box::pin(self.decide(first)).await?;
                    return Box::pin(self.decide(second)).await;
                }
                Err(error) => order_writer::wait_for_database(&error).await,
            }
        }
        for job in batch {
            self.decide_alone(job).await?;
        }
        Ok(())
    }

    /// The same for one order, which becomes a dead letter if the database cannot write it.
    async fn decide_alone(&self, job: Job) -> Result<(), Unavailable> {
        loop {
            let written = order_writer::write(&self.shop, std::slice::from_ref(&job.order)).await;
            let (result, cost) = written.into_parts();
            match result {
                Ok(written) => return self.finish(&[job], written, &cost).await,
                Err(error) if order_writer::is_permanent(&error) => {
                    let reason = ErrorChain(&error).to_string();
                    return self.bury(&job, &reason).await;
                }
                Err(error) => order_writer::wait_for_database(&error).await,
            }
        }
    }

    /// Writes the levels to the gates, acknowledges the entries of a batch that is committed, and
    /// answers the callers.
    async fn finish(
        &self,
        batch: &[Job],
        written: Written,
        cost: &Outcome<()>,
    ) -> Result<(), Unavailable> {
        crash_point::pass("before acknowledging by", StrategyKey::RedisStream.as_str());
        self.store_levels(&written.row_levels).await;
        let answers = written.answers;
        let decided: Vec<_> = batch
            .iter()
            .zip(&answers)
            .map(|(job, answer)| Acknowledged {
                entry_id: &job.entry.id,
                order: &job.order,
                frees_key: answer.is_err(),
            })
            .collect();
        // Before the answers: a buyer who is refused may use the key again at once.
        let acknowledged = self.queue.acknowledge(&decided).await;
        for (job, answer) in batch.iter().zip(answers) {
            let outcome = cost.with_result(answer.map_err(TxnError::Refused));
            self.followers.answer(job.order.order_id, &outcome);
        }
        acknowledged.map(drop)
    }

    async fn store_levels(&self, row_levels: &[RowLevel]) {
        for row in row_levels {
            let (id, level) = (row.product_id, row.level);
            let refused_at = self.clock.zip(row.refused_at);
            let stored = match refused_at.map(|(clock, at)| clock.at(at)) {
                Some(at_ms) => self.gate.store_rejection(id, level, at_ms).await,
                None => self.gate.store_level(id, level, LevelWrite::IfNewer).await,
            };
            if let Err(error) = stored {
                tracing::debug!(%error, "could not write the levels of a batch to the gates; reconciliation does it");
                return;
            }
        }
    }

    async fn bury(&self, job: &Job, reason: &str) -> Result<(), Unavailable> {
        // Otherwise another entry decides the order, or has decided it.
        if self.queue.bury(&job.entry, reason).await? {
            tracing::error!(
                order = %job.order.order_id,
                reason,
                "a queued order cannot be written: an administrator must decide"
            );
            self.own_orders.answer_unknown(&job.order);
        }
        Ok(())
    }

    /// Puts orders whose entries Redis has lost into the queue again: their buyers wait.
    async fn restore_lost(&self) {
        match self.queue.restore_lost().await {
            Ok(restored) if restored.is_empty() => {}
            Ok(restored) => tracing::warn!(
                orders = restored.len(),
                "Redis had lost entries of the queue; their orders are in the queue again"
            ),
            // The connection logs when Redis goes and comes.
            Err(error) => {
                tracing::debug!(%error, "could not look for lost entries of the queue; the next round tries again")
            }
        }
    }
}

/// Returns true if the time has come, and sets the next one.
fn is_due(at: &mut Instant, every: Duration) -> bool {
    let now = Instant::now();
    let is_due = *at <= now;
    if is_due {
        *at = now + every;
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Quantity, shop::inventory::PurchaseRequest};

    fn job(product_id: i64, id: &str) -> Job {
        let order = QueuedOrder::new(&PurchaseRequest {
            product_id,
            quantity: Quantity::new(1).expect("a quantity"),
            claim: None,
            lane_id: None,
        });
        let entry = Entry {
            id: id.to_owned(),
            deliveries: 1,
            text: String::new(),
        };
        Job { entry, order }
    }

    fn ids(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().map(|job| job.entry.id.as_str()).collect()
    }

    #[test]
    fn a_late_batch_is_divided_by_product_and_then_in_halves() {
        let batch = vec![job(1, "a"), job(2, "b"), job(1, "c"), job(3, "d")];
        let (first, second) = halves(batch);
        assert_eq!(
            (ids(&first), ids(&second)),
            (vec!["b", "d"], vec!["a", "c"])
        );
        let (first, second) = halves(second);
        assert_eq!((ids(&first), ids(&second)), (vec!["a"], vec!["c"]));
    }
}
