//! Looks after the orders that this process has accepted: decides those that Redis has lost, and
//! answers the callers of those that another consumer has decided.

use std::{sync::Arc, time::Duration};

use super::order_writer;
use crate::{
    db::txn::{ErrorChain, Outcome, TxnError},
    shop::{
        Shop,
        inventory::{
            order_queue::{BATCH_MAX, OrderQueue, Place},
            queue_followers::Followers,
            queue_outcome,
            queued_order::QueuedOrder,
        },
    },
};

/// How often a process looks after its orders, and the age of those that it looks at.
pub(super) const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// See the module's documentation.
pub(super) struct OwnOrders {
    shop: Shop,
    queue: OrderQueue,
    followers: Arc<Followers>,
}

impl OwnOrders {
    pub(super) fn new(shop: Shop, queue: OrderQueue, followers: Arc<Followers>) -> Self {
        Self {
            shop,
            queue,
            followers,
        }
    }

    /// Decides those of the orders that are not in the queue any more, because another consumer has
    /// decided them or Redis has lost them, and all of them while Redis does not answer.
    pub(super) async fn look_after(&self) {
        let orders = self.followers.older_than(FOLLOW_EVERY);
        for some in orders.chunks(BATCH_MAX) {
            let places = self.queue.places(some).await;
            let places = places.unwrap_or_else(|_| vec![Place::Absent; some.len()]);
            let mut gone = Vec::new();
            for (order, place) in some.iter().zip(places) {
                match place {
                    Place::Waiting { .. } => {}
                    Place::DeadLetter => self.answer_unknown(order),
                    Place::Absent => gone.push(order.clone()),
                }
            }
            while !gone.is_empty() {
                let (batch, rest) = order_writer::split_by_key(gone, QueuedOrder::key);
                self.write_directly(&batch).await;
                gone = rest;
            }
        }
    }

    /// Answers the callers that the outcome of an order is not known.
    pub(super) fn answer_unknown(&self, order: &QueuedOrder) {
        let unknown = Outcome::failed(super::unknown_outcome());
        self.followers.answer(order.order_id, &unknown);
    }

    /// Decides orders without the queue. Those that the database cannot write now are tried again
    /// in the next round.
    async fn write_directly(&self, orders: &[QueuedOrder]) {
        let (result, cost) = order_writer::write(&self.shop, orders).await.into_parts();
        match result {
            Ok(written) => {
                for (order, answer) in orders.iter().zip(written.answers) {
                    let outcome = cost.with_result(answer.map_err(TxnError::Refused));
                    self.followers.answer(order.order_id, &outcome);
                }
            }
            Err(error) if order_writer::is_permanent(&error) => {
                for order in orders {
                    self.write_alone(order).await;
                }
            }
            Err(error) => order_writer::wait_for_database(&error).await,
        }
    }

    /// The same for one order, which is refused if the database cannot write it.
    async fn write_alone(&self, order: &QueuedOrder) {
        let outcome = order_writer::decide_now(&self.shop, order).await;
        match &outcome.result {
            Ok(_) | Err(TxnError::Refused(_)) => self.followers.answer(order.order_id, &outcome),
            Err(error) if order_writer::is_permanent(error) => {
                tracing::error!(
                    order = %order.order_id,
                    error = %ErrorChain(error),
                    "an accepted order cannot be written and is rejected"
                );
                match queue_outcome::reject(&self.shop, order).await {
                    Ok(_) => self.answer_unknown(order),
                    Err(error) => order_writer::wait_for_database(&error).await,
                }
            }
            Err(error) => order_writer::wait_for_database(error).await,
        }
    }
}
