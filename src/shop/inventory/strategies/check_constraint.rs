//! `check-constraint`: subtract unchecked, and let the constraint `stock_available_not_negative` reject what is not there.
//!
//! # Guarantees
//! The database's own: no code path, no forgotten WHERE clause, no session at a console can take the counter below zero. What the
//! constraint rejects is looked at once more by the row lock, which refuses, or sells what has come back meanwhile.
//!
//! # Cost under contention
//! A sale costs what `conditional-update` costs. A rejection is dear: an error aborts the transaction, order and all, a line goes to the server's
//! log, and a second transaction has to find out what is left.
//!
//! # Fails as
//! SQLSTATE 23514 with the constraint's name. One that is not named cannot say which of two rules broke.
//!
//! # Choose it when
//! Always, as the last line of defence behind another strategy; on its own where sales are many and rejections few.

use std::time::Instant;

use async_trait::async_trait;

use crate::{
    db::{
        dialect,
        txn::{Abort, Outcome, TxnError, Work},
    },
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            Seam,
            counters::{self, Level},
            purchase::{self, PurchaseRequest, Sale},
            strategy::PurchaseStrategy,
        },
    },
};

/// The constraint that decides.
const CONSTRAINT: &str = "stock_available_not_negative";

/// See the module's documentation.
pub struct CheckConstraint;

#[async_trait]
impl PurchaseStrategy for CheckConstraint {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let start = Instant::now();
        let strategy = StrategyKey::CheckConstraint;
        let outcome =
            purchase::in_one_transaction(shop, strategy, request.clone(), |work, sale| {
                Box::pin(take(work, sale))
            })
            .await;
        if !is_rejected(&outcome) {
            return outcome;
        }
        purchase::by_row_lock_after(shop, request, &outcome, start).await
    }
}

fn is_rejected(outcome: &Outcome<Receipt>) -> bool {
    match &outcome.result {
        Err(TxnError::Database { source, .. }) => {
            dialect::broken_constraint(source).as_deref() == Some(CONSTRAINT)
        }
        _ => false,
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.seam.pass(work).await?;
    let level = counters::subtract_from_guarded(work, sale.offer.id, sale.quantity).await?;
    match level {
        Some(level) => Ok(Some(level)),
        // No constraint stands in the way there: neither on an exhibit's row, nor on one that holds a total alone.
        None => sale.take_under_lock(work, &Seam::Closed).await.map(Some),
    }
}
