//! `early-release`: a procedure commits without waiting for the flush, which releases the row lock
//! early; then it waits for a later flush before it answers.
//!
//! # Guarantees
//! The same as `single-statement`, whose statement it runs, and the same durability once it has
//! answered: the log is written in order, so the later flush has also written this purchase to
//! disk. A crash in between loses only purchases that were not confirmed to a client. A replayed
//! answer waits for a flush as well, because it may otherwise confirm a purchase that is not yet on
//! disk.
//!
//! # Cost under contention
//! The row is locked for microseconds instead of a whole flush. Buyers wait for their flushes at
//! the same time: one write to disk serves all of them, which group commit cannot do for buyers who
//! queue for a lock.
//!
//! # Fails as
//! An order that is stored although its buyer got no answer; the idempotency key finds it. Inside a
//! transaction the call fails with "invalid transaction termination": it must run on its own, which
//! connection poolers in transaction mode do not allow.
//!
//! # Choose it when
//! One row is hot, the disk is the bottleneck, and each order must be its own transaction.

use async_trait::async_trait;

use super::single_statement;
use crate::{
    db::txn::Outcome,
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{PurchaseRequest, strategy::PurchaseStrategy},
    },
};

/// The procedure is defined in the migration `m0014_early_release`.
const CALL: &str =
    "CALL purchase_early_release($1, $2, $3, $4, $5, $6, $7, NULL::bigint, NULL::bigint)";

/// See the module's documentation.
pub struct EarlyRelease;

#[async_trait]
impl PurchaseStrategy for EarlyRelease {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        single_statement::run_in_statement(shop, StrategyKey::EarlyRelease, CALL, request).await
    }
}
