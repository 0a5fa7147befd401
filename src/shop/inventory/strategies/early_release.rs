//! `early-release`: one procedure commits without waiting for the flush, and with that lets the row go; then it waits for a later flush, and only
//! then answers.
//!
//! # Guarantees
//! Those of `single-statement`, whose statement it runs, and the same durability when it has answered: the log is written in order, so
//! the flush that it waits for has put the purchase on disk too. A crash in between loses only what nobody was told. A replayed answer
//! waits for a flush as well, or it would promise what is still in memory.
//!
//! # Cost under contention
//! The row is locked for microseconds instead of for a flush. The flushes that buyers wait for run together: one write to the disk
//! serves all who are waiting, which group commit cannot do for those who queue at a lock.
//!
//! # Fails as
//! An order that is stored, and of which its buyer heard nothing: the key tells. And wherever it is called inside a transaction,
//! "invalid transaction termination": it must stand alone, which poolers in transaction mode do not allow.
//!
//! # Choose it when
//! One row is hot, the disk is the bottleneck, and each order is to be a transaction of its own.

use async_trait::async_trait;

use super::single_statement;
use crate::{
    db::txn::Outcome,
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{purchase::PurchaseRequest, strategy::PurchaseStrategy},
    },
};

/// The procedure stands in the migration `m0014_early_release`.
const CALL: &str =
    "CALL purchase_early_release($1, $2, $3, $4, $5, $6, $7, NULL::bigint, NULL::bigint)";

/// See the module's documentation.
pub struct EarlyRelease;

#[async_trait]
impl PurchaseStrategy for EarlyRelease {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        single_statement::in_one_statement(shop, StrategyKey::EarlyRelease, CALL, request).await
    }
}
