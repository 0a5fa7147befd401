//! Writes orders of the queue to the database, alone or together.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::STRATEGY;
use crate::{
    db::txn::{ErrorChain, Outcome, TxnError},
    model::{Receipt, ShopError},
    shop::{
        Shop,
        inventory::{
            batch_queue::BatchOrder,
            queued_order::QueuedOrder,
            strategies::micro_batch::transaction::{self, Mode, Written},
        },
    },
};

/// The pause after Redis or the database has failed.
pub(super) const FAILURE_PAUSE: Duration = Duration::from_millis(200);

const MODE: Mode = Mode {
    strategy: STRATEGY,
    stores_outcomes: true,
};

/// Decides an order without the queue. It may be in the queue as well: it is decided once.
pub(super) async fn decide_now(shop: &Shop, order: &QueuedOrder) -> Outcome<Receipt> {
    let (result, cost) = write(shop, std::slice::from_ref(order)).await.into_parts();
    cost.with_result(result.and_then(|written| only_answer(written.answers)))
}

fn only_answer(answers: Vec<Result<Receipt, ShopError>>) -> Result<Receipt, TxnError> {
    match answers.into_iter().next() {
        Some(answer) => answer.map_err(TxnError::Refused),
        None => Err(TxnError::Panicked {
            name: STRATEGY.as_str(),
        }),
    }
}

/// Decides orders with different keys.
pub(super) async fn write(shop: &Shop, orders: &[QueuedOrder]) -> Outcome<Written> {
    let orders: Arc<[BatchOrder]> = orders
        .iter()
        .map(|order| BatchOrder {
            request: order.request(),
            public_id: order.order_id,
        })
        .collect();
    transaction::run_as(shop, MODE, orders).await
}

/// True if the database cannot write the order, and not only at the moment.
pub(super) fn is_permanent(error: &TxnError) -> bool {
    matches!(
        error,
        TxnError::Database { .. } | TxnError::Panicked { .. } | TxnError::Refused(_)
    )
}

/// Pauses after an error that will be over.
pub(super) async fn wait_for_database(error: &TxnError) {
    tracing::warn!(error = %ErrorChain(error), "queued orders are written later");
    sleep(FAILURE_PAUSE).await;
}

/// Returns the items with different keys, and the others, which share a key with one of them.
pub(super) fn split_by_key<T>(items: Vec<T>, key: impl Fn(&T) -> &str) -> (Vec<T>, Vec<T>) {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .partition(|item| seen.insert(key(item).to_owned()))
}
