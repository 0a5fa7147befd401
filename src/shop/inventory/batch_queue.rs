//! The queue in front of the batch writer: orders wait here, one task writes them in batches, and
//! each order gets its own answer.

use std::{collections::HashSet, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::{
    InjectionPoint, PurchaseRequest,
    admission_queue::{AdmissionQueue, Consumer, PushResult},
};
use crate::{
    db::txn::{self, Outcome, TxnError},
    model::{Receipt, ShopError, StrategyKey},
    shop::{Shop, orders::public_id},
};

/// The most orders that may wait. Further orders get [`ShopError::QueueFull`].
pub const WAITING_MAX: usize = 4_096;
/// The most orders in one transaction.
const BATCH_MAX: usize = 1_024;
/// Seconds after which a caller may retry when the queue is full.
const RETRY_AFTER_S: u64 = 1;

/// The waiting orders. There is one queue for each connection pool; the caller that pushes to an
/// empty queue starts its writer.
#[derive(Debug)]
pub struct BatchQueue {
    orders: Arc<AdmissionQueue<QueuedOrder>>,
    /// Notified when the writer has taken orders, so that there is space again.
    space: Notify,
}

impl Default for BatchQueue {
    fn default() -> Self {
        Self {
            orders: AdmissionQueue::new(WAITING_MAX),
            space: Notify::new(),
        }
    }
}

impl BatchQueue {
    /// Returns the number of orders that wait for the writer, without the orders in its current
    /// batch.
    pub fn waiting(&self) -> usize {
        self.orders.len()
    }
}

/// An order in the queue.
#[derive(Debug)]
struct QueuedOrder {
    order: BatchOrder,
    queued_at: Instant,
    answer: oneshot::Sender<Outcome<Receipt>>,
}

/// The part of an order that the transaction needs.
#[derive(Clone, Debug)]
pub struct BatchOrder {
    pub request: PurchaseRequest,
    pub public_id: Uuid,
}

impl BatchOrder {
    /// Returns the order's idempotency key, if it has one.
    pub fn key(&self) -> Option<&str> {
        self.request.claim.as_ref().map(|claim| claim.key())
    }
}

/// An answer for each order of a batch, in their order.
pub type BatchOutcome = Outcome<Vec<Result<Receipt, ShopError>>>;

/// Writes a batch in one transaction.
pub type WriteBatch = fn(Shop, Arc<[BatchOrder]>) -> BoxFuture<'static, BatchOutcome>;

/// Queues an order of `strategy` and waits until the writer, which writes batches with `write`,
/// answers, or until the shop's deadline.
pub async fn enqueue_and_wait(
    shop: &Shop,
    strategy: StrategyKey,
    request: PurchaseRequest,
    write: WriteBatch,
) -> Outcome<Receipt> {
    let (answer, answered) = oneshot::channel();
    let queued = QueuedOrder {
        order: BatchOrder {
            request,
            public_id: public_id::new(),
        },
        queued_at: Instant::now(),
        answer,
    };
    if let Err(refusal) = enqueue(shop, queued, write).await {
        return Outcome::refused(refusal);
    }
    let name = strategy.as_str();
    match tokio::time::timeout(shop.deadline, answered).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::failed(TxnError::Panicked { name }),
        // The writer may be processing the order by now.
        Err(_) => Outcome::failed(TxnError::OutcomeUnknown { name }),
    }
}

/// Pushes an order to the queue. When the queue is full, a shopper's order is rejected; a simulated
/// buyer, whose deadline is as long as the run, waits for space.
async fn enqueue(shop: &Shop, mut queued: QueuedOrder, write: WriteBatch) -> Result<(), ShopError> {
    let queue = &shop.shared.batch_queue;
    loop {
        let space = queue.space.notified();
        match queue.orders.push(queued) {
            PushResult::Consumer(consumer) => {
                tokio::spawn(run_writer(
                    shop.clone().with_injection_point(InjectionPoint::Disabled),
                    consumer,
                    write,
                ));
                return Ok(());
            }
            PushResult::Queued => return Ok(()),
            PushResult::Full(_) if shop.deadline <= txn::REQUEST_DEADLINE => {
                return Err(ShopError::QueueFull {
                    retry_after_s: RETRY_AFTER_S,
                });
            }
            PushResult::Full(rejected) => {
                queued = rejected;
                space.await;
            }
        }
    }
}

/// Writes batches until the queue is empty.
async fn run_writer(shop: Shop, mut consumer: Consumer<QueuedOrder>, write: WriteBatch) {
    while let Some(mut batch) = consumer.take(BATCH_MAX) {
        shop.shared.batch_queue.space.notify_waiters();
        // An order whose client has left is not written.
        batch.retain(|queued| !queued.answer.is_closed());
        while !batch.is_empty() {
            batch = process_batch(&shop, batch, write).await;
        }
        // Lets the callers that were just answered push again.
        tokio::task::yield_now().await;
    }
}

/// Writes a batch and answers its orders. Returns the orders that share an idempotency key with an
/// earlier order of the batch; they go into the next one.
async fn process_batch(
    shop: &Shop,
    batch: Vec<QueuedOrder>,
    write: WriteBatch,
) -> Vec<QueuedOrder> {
    let (batch, deferred) = split_by_key(batch);
    let orders: Arc<[BatchOrder]> = batch.iter().map(|queued| queued.order.clone()).collect();
    let outcome = write(shop.clone(), Arc::clone(&orders)).await;
    let fails_whole_batch = matches!(
        outcome.result,
        Err(TxnError::Database { .. } | TxnError::Panicked { .. })
    );
    if fails_whole_batch && batch.len() > 1 {
        for queued in batch {
            let alone = Arc::from(vec![queued.order.clone()]);
            let outcome = write(shop.clone(), alone).await;
            send_answers(vec![queued], outcome);
        }
    } else {
        send_answers(batch, outcome);
    }
    deferred
}

fn split_by_key(batch: Vec<QueuedOrder>) -> (Vec<QueuedOrder>, Vec<QueuedOrder>) {
    let mut seen = HashSet::new();
    batch
        .into_iter()
        .partition(|queued| match queued.order.key() {
            Some(key) => seen.insert(key.to_owned()),
            None => true,
        })
}

fn send_answers(batch: Vec<QueuedOrder>, outcome: BatchOutcome) {
    let (result, cost) = outcome.into_parts();
    let mut answers = match result {
        Ok(answers) => answers
            .into_iter()
            .map(|answer| answer.map_err(TxnError::Refused))
            .collect(),
        Err(error) => Vec::from_iter(batch.iter().map(|_| Err(error.duplicate()))),
    }
    .into_iter();
    for queued in batch {
        let Some(result) = answers.next() else { return };
        let mut answer = cost.with_result(result);
        let total = queued.queued_at.elapsed();
        answer.split.queue_wait += total.saturating_sub(answer.split.total());
        // The client may have left; the idempotency key finds the result later.
        let _ = queued.answer.send(answer);
    }
}
