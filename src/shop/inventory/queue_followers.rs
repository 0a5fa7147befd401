//! The orders that this process has accepted, until they are decided. They are in memory beside the
//! queue: what Redis loses, the process that accepted it still knows, and decides itself.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::queued_order::QueuedOrder;
use crate::{db::txn::Outcome, model::Receipt};

/// Receives the outcome of an order.
pub type Answer = oneshot::Receiver<Outcome<Receipt>>;

/// See the module's documentation.
#[derive(Debug)]
pub struct Followers {
    /// The name of this process among the consumers.
    pub consumer: String,
    orders: Mutex<HashMap<Uuid, Followed>>,
    is_consuming: AtomicBool,
    /// Notified when an order was accepted.
    accepted: Notify,
}

#[derive(Debug)]
struct Followed {
    order: QueuedOrder,
    since: Instant,
    /// When the queue had accepted it: until then, its absence from the queue says nothing.
    accepted_at: Option<Instant>,
    /// The callers who wait for its outcome, if any.
    answers: Vec<oneshot::Sender<Outcome<Receipt>>>,
}

impl Default for Followers {
    fn default() -> Self {
        Self {
            consumer: Uuid::new_v4().simple().to_string(),
            orders: Mutex::default(),
            is_consuming: AtomicBool::new(false),
            accepted: Notify::new(),
        }
    }
}

/// Held by the one task of this process that consumes.
#[derive(Debug)]
pub struct Consuming<'a>(&'a Followers);

impl Drop for Consuming<'_> {
    fn drop(&mut self) {
        self.0.is_consuming.store(false, Ordering::Release);
    }
}

/// Forgets an order whose caller left before the queue had accepted it: no consumer would settle
/// it.
#[derive(Debug)]
pub struct Unaccepted<'a> {
    followers: &'a Followers,
    order_id: Option<Uuid>,
}

impl Unaccepted<'_> {
    /// Goes on following the order, which the queue has accepted.
    pub fn keep(mut self) {
        self.order_id = None;
    }
}

impl Drop for Unaccepted<'_> {
    fn drop(&mut self) {
        if let Some(order_id) = self.order_id {
            self.followers.forget(order_id);
        }
    }
}

impl Followers {
    /// Follows an order until it is decided. Call it before the order is accepted, because it may
    /// be decided at once.
    pub fn follow(&self, order: QueuedOrder) {
        self.lock().entry(order.order_id).or_insert(Followed {
            order,
            since: Instant::now(),
            accepted_at: None,
            answers: Vec::new(),
        });
    }

    /// The same for a caller who waits for the outcome.
    pub fn follow_for_answer(&self, order: QueuedOrder) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let order_id = order.order_id;
        let mut orders = self.lock();
        let followed = orders.entry(order_id).or_insert_with(|| Followed {
            order,
            since: Instant::now(),
            accepted_at: None,
            answers: Vec::new(),
        });
        followed.answers.push(sender);
        receiver
    }

    /// Forgets the order when the result is dropped, unless its caller keeps it.
    pub fn unaccepted(&self, order_id: Uuid) -> Unaccepted<'_> {
        Unaccepted {
            followers: self,
            order_id: Some(order_id),
        }
    }

    fn forget(&self, order_id: Uuid) {
        self.lock().remove(&order_id);
    }

    /// Answers the callers who wait for an order, and forgets it. Copies of a failure hold its
    /// text.
    pub fn answer(&self, order_id: Uuid, outcome: &Outcome<Receipt>) {
        let Some(followed) = self.lock().remove(&order_id) else {
            return;
        };
        for answer in followed.answers {
            let result = match &outcome.result {
                Ok(receipt) => Ok(receipt.clone()),
                Err(error) => Err(error.duplicate()),
            };
            let mut outcome = outcome.with_result(result);
            let total = followed.since.elapsed();
            outcome.split.queue_wait += total.saturating_sub(outcome.split.total());
            // The caller may have left; the order's address shows the outcome.
            let _ = answer.send(outcome);
        }
    }

    /// Notes that the queue has accepted an order.
    pub fn accepted(&self, order_id: Uuid) {
        if let Some(followed) = self.lock().get_mut(&order_id) {
            followed.accepted_at.get_or_insert_with(Instant::now);
        }
    }

    /// The orders that were accepted longer than `age` ago.
    pub fn older_than(&self, age: Duration) -> Vec<QueuedOrder> {
        let orders = self.lock();
        let older = orders
            .values()
            .filter(|followed| followed.accepted_at.is_some_and(|at| at.elapsed() >= age));
        older.map(|followed| followed.order.clone()).collect()
    }

    /// True if this process follows the order.
    pub fn knows(&self, order_id: Uuid) -> bool {
        self.lock().contains_key(&order_id)
    }

    /// The number of orders that are followed.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// True if a task of this process consumes.
    pub fn is_consuming(&self) -> bool {
        self.is_consuming.load(Ordering::Acquire)
    }

    /// Lets the caller consume, unless another task of this process does.
    pub fn try_consume(&self) -> Option<Consuming<'_>> {
        let was_consuming = self.is_consuming.swap(true, Ordering::AcqRel);
        (!was_consuming).then_some(Consuming(self))
    }

    /// Wakes the consumer.
    pub fn wake(&self) {
        self.accepted.notify_one();
    }

    /// Waits until an order is accepted by this process, at most for this time.
    pub async fn wait_for_orders(&self, at_most: Duration) {
        // Whether it was notified or not, the consumer looks again.
        let _ = tokio::time::timeout(at_most, self.accepted.notified()).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Followed>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
