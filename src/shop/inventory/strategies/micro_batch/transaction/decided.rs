//! What a batch of queued orders finds decided, what it decides, and what it leaves behind.

use std::{collections::HashMap, time::Instant};

use uuid::Uuid;

use super::TakenRow;
use crate::{
    model::{Receipt, ShopError, StockLayout},
    shop::{
        catalog::LockedOffer,
        idempotency::StoredResponse,
        inventory::{batch_queue::BatchOrder, counters::Level, queue_outcome::QueueOutcome},
    },
};

/// A stock row, for the gate of its product.
#[derive(Clone, Copy, Debug)]
pub(in crate::shop::inventory::strategies) struct RowLevel {
    pub product_id: i64,
    pub level: Level,
    /// When an order was refused because of the stock, under the lock of the row.
    pub refused_at: Option<Instant>,
}

/// What was decided about the orders of a batch before.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By the order's id.
    pub outcomes: HashMap<Uuid, QueueOutcome>,
    /// By the order's key.
    pub responses: HashMap<String, StoredResponse>,
}

/// The outcomes of the orders that are not written under their own id.
pub(super) fn new_outcomes(
    orders: &[BatchOrder],
    answers: &[Result<Receipt, ShopError>],
    known: &Known,
) -> Vec<(Uuid, QueueOutcome)> {
    let undecided = orders
        .iter()
        .zip(answers)
        .filter(|(order, _)| !known.outcomes.contains_key(&order.public_id));
    undecided
        .filter_map(|(order, answer)| {
            let outcome = match answer {
                Err(refusal) => QueueOutcome::Refused(refusal.clone()),
                Ok(receipt) if receipt.order_id == order.public_id.to_string() => return None,
                Ok(receipt) => QueueOutcome::SoldAs(receipt.clone()),
            };
            Some((order.public_id, outcome))
        })
        .collect()
}

/// The stock rows as a batch leaves them.
pub(super) fn row_levels(
    rows: &[LockedOffer],
    taken: &[TakenRow],
    orders: &[BatchOrder],
    answers: &[Result<Receipt, ShopError>],
) -> Vec<RowLevel> {
    // The rows are still locked.
    let now = Instant::now();
    let refused: Vec<i64> = orders
        .iter()
        .zip(answers)
        .filter(|(_, answer)| matches!(answer, Err(ShopError::InsufficientStock { .. })))
        .map(|(order, _)| order.request.product_id)
        .collect();
    rows.iter()
        .filter(|row| row.layout == StockLayout::Row.as_str())
        .map(|row| {
            let product_id = row.offer.id;
            let after = taken.iter().find(|taken| taken.product_id == product_id);
            let (available, version) = after.map_or((row.available, row.version), |after| {
                (after.available, after.version)
            });
            RowLevel {
                product_id,
                level: Level { available, version },
                refused_at: refused.contains(&product_id).then_some(now),
            }
        })
        .collect()
}
