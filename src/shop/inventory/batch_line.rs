//! The line in front of the batch's writer: who waits, who serves, and how each gets an answer of its own.

use std::{collections::HashSet, sync::Arc, time::Instant};

use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::{
    PurchaseRequest, Seam,
    strategies::micro_batch,
    waiting_line::{Joined, Turn, WaitingLine},
};
use crate::{
    db::txn::{self, Outcome, TxnError},
    model::{Receipt, ShopError, StrategyKey},
    shop::Shop,
};

/// Orders that may wait; whoever comes then is asked to come back.
pub const WAITING_MAX: usize = 4_096;
/// Orders of one transaction.
const BATCH_MAX: usize = 1_024;
/// When to come back to a full line.
const COME_BACK_AFTER_S: u64 = 1;

/// Where orders wait. One for each pool of connections; whoever finds it empty becomes its writer.
#[derive(Debug)]
pub struct BatchLine {
    line: Arc<WaitingLine<Waiting>>,
    /// Rings when the writer has taken some.
    room: Notify,
}

impl Default for BatchLine {
    fn default() -> Self {
        Self {
            line: WaitingLine::new(WAITING_MAX),
            room: Notify::new(),
        }
    }
}

impl BatchLine {
    /// Orders that wait for the writer, without those that it has in hand.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }
}

/// An order in the line.
#[derive(Debug)]
struct Waiting {
    order: BatchOrder,
    since: Instant,
    answer: oneshot::Sender<Outcome<Receipt>>,
}

/// What the transaction needs of an order.
#[derive(Clone, Debug)]
pub struct BatchOrder {
    pub request: PurchaseRequest,
    pub public_id: Uuid,
}

impl BatchOrder {
    /// Its idempotency key, if it has one.
    pub fn key(&self) -> Option<&str> {
        self.request.claim.as_ref().map(|claim| claim.key())
    }
}

/// Waits in the line until the writer has an answer, or the shop's patience is over.
pub async fn wait_for_turn(shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
    let (answer, answered) = oneshot::channel();
    let waiting = Waiting {
        order: BatchOrder {
            request,
            public_id: Uuid::now_v7(),
        },
        since: Instant::now(),
        answer,
    };
    if let Err(refusal) = join(shop, waiting).await {
        return Outcome::refused(refusal);
    }
    let name = StrategyKey::MicroBatch.as_str();
    match tokio::time::timeout(shop.deadline, answered).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::failed(TxnError::Panicked { name }),
        // It may be in the writer's hands by now.
        Err(_) => Outcome::failed(TxnError::OutcomeUnknown { name }),
    }
}

/// Joins the line; where there is no room, a shopper is sent away, and a simulated buyer, who has as long as the run, waits.
async fn join(shop: &Shop, mut waiting: Waiting) -> Result<(), ShopError> {
    let line = &shop.shared.batch_line;
    loop {
        let room = line.room.notified();
        match line.line.join(waiting) {
            Joined::First(turn) => {
                tokio::spawn(serve(shop.clone().with_seam(Seam::Closed), turn));
                return Ok(());
            }
            Joined::Behind => return Ok(()),
            Joined::Full(_) if shop.deadline <= txn::REQUEST_DEADLINE => {
                return Err(ShopError::QueueFull {
                    retry_after_s: COME_BACK_AFTER_S,
                });
            }
            Joined::Full(back) => {
                waiting = back;
                room.await;
            }
        }
    }
}

/// The writer: until nobody waits any more.
async fn serve(shop: Shop, mut turn: Turn<Waiting>) {
    while let Some(mut batch) = turn.take(BATCH_MAX) {
        shop.shared.batch_line.room.notify_waiters();
        // Whoever has left before the writer came wants nothing any more.
        batch.retain(|waiting| !waiting.answer.is_closed());
        while !batch.is_empty() {
            batch = serve_batch(&shop, batch).await;
        }
        // Those who were just answered may want to join again.
        tokio::task::yield_now().await;
    }
}

/// Answers all that came to an end, and returns those who came under the same key as another of the batch.
async fn serve_batch(shop: &Shop, batch: Vec<Waiting>) -> Vec<Waiting> {
    let (batch, again) = apart_by_key(batch);
    let orders: Arc<[BatchOrder]> = batch.iter().map(|waiting| waiting.order.clone()).collect();
    let outcome = micro_batch::in_one_batch(shop, Arc::clone(&orders)).await;
    let fails_together = matches!(
        outcome.result,
        Err(TxnError::Database { .. } | TxnError::Panicked { .. })
    );
    if fails_together && batch.len() > 1 {
        for waiting in batch {
            let alone = Arc::from(vec![waiting.order.clone()]);
            let outcome = micro_batch::in_one_batch(shop, alone).await;
            answer(vec![waiting], outcome);
        }
    } else {
        answer(batch, outcome);
    }
    again
}

fn apart_by_key(batch: Vec<Waiting>) -> (Vec<Waiting>, Vec<Waiting>) {
    let mut seen = HashSet::new();
    batch
        .into_iter()
        .partition(|waiting| match waiting.order.key() {
            Some(key) => seen.insert(key.to_owned()),
            None => true,
        })
}

fn answer(batch: Vec<Waiting>, outcome: Outcome<Vec<Result<Receipt, ShopError>>>) {
    let (result, taken) = outcome.into_parts();
    let mut answers = match result {
        Ok(answers) => answers
            .into_iter()
            .map(|answer| answer.map_err(TxnError::Refused))
            .collect(),
        Err(error) => Vec::from_iter(batch.iter().map(|_| Err(error.for_another()))),
    }
    .into_iter();
    for waiting in batch {
        let Some(result) = answers.next() else { return };
        let mut answer = taken.with(result);
        // In the line, while others were served.
        let total = waiting.since.elapsed();
        answer.split.pool_wait += total.saturating_sub(answer.split.total());
        // Whoever has left hears nothing; the key tells.
        let _ = waiting.answer.send(answer);
    }
}
