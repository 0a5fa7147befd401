//! Writes orders of the queue to the database, alone or together.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    db::txn::{ErrorChain, Outcome, TxnError},
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        inventory::{
            batch_queue::BatchOrder,
            queued_order::QueuedOrder,
            strategies::micro_batch::transaction::{self, Mode, StoredOutcomes, Written},
        },
    },
};

/// The pause after Redis or the database has failed.
pub(super) const FAILURE_PAUSE: Duration = Duration::from_millis(200);

/// Decides orders with different keys, and stores each outcome.
pub(super) async fn write(shop: &Shop, orders: &[QueuedOrder]) -> Outcome<Written> {
    write_with(shop, orders, StoredOutcomes::All).await
}

/// Decides an order without the queue. It may be in the queue as well: it is decided once.
pub(super) async fn decide_now(shop: &Shop, order: &QueuedOrder) -> Outcome<Receipt> {
    write_one(shop, order, StoredOutcomes::All).await
}

/// Sells an order without the queue, if the row can. A refusal decides nothing.
pub(super) async fn sell_now(shop: &Shop, order: &QueuedOrder) -> Outcome<Receipt> {
    write_one(shop, order, StoredOutcomes::AllButRefusals).await
}

async fn write_one(shop: &Shop, order: &QueuedOrder, outcomes: StoredOutcomes) -> Outcome<Receipt> {
    let written = write_with(shop, std::slice::from_ref(order), outcomes).await;
    let (result, cost) = written.into_parts();
    cost.with_result(result.and_then(|written| only_answer(written.answers)))
}

fn only_answer(answers: Vec<Result<Receipt, ShopError>>) -> Result<Receipt, TxnError> {
    match answers.into_iter().next() {
        Some(answer) => answer.map_err(TxnError::Refused),
        None => Err(TxnError::Panicked {
            name: StrategyKey::RedisStream.as_str(),
        }),
    }
}

async fn write_with(
    shop: &Shop,
    orders: &[QueuedOrder],
    outcomes: StoredOutcomes,
) -> Outcome<Written> {
    let orders: Arc<[BatchOrder]> = orders
        .iter()
        .map(|order| BatchOrder {
            request: order.request(),
            public_id: order.order_id,
        })
        .collect();
    let mode = Mode {
        strategy: StrategyKey::RedisStream,
        outcomes,
    };
    transaction::run_as(shop, mode, orders).await
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
    tracing::warn!(error = %ErrorChain(error), "could not write queued orders; they are retried");
    sleep(FAILURE_PAUSE).await;
}

/// Returns the items with different keys, and the others, which share a key with one of them.
pub(super) fn split_by_key<T>(items: Vec<T>, key: impl Fn(&T) -> &str) -> (Vec<T>, Vec<T>) {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .partition(|item| seen.insert(key(item).to_owned()))
}
