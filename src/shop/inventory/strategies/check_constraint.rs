//! `check-constraint`: subtracts without a condition and lets the constraint
//! `stock_available_not_negative` reject a sale that stock cannot cover.
//!
//! # Guarantees
//! The database enforces it: no code path, no missing WHERE clause and no session at a console can
//! take the counter below zero. After a violation, the purchase runs again with the row lock, which
//! refuses it or sells units that were released in the meantime.
//!
//! # Cost under contention
//! A sale costs the same as `conditional-update`. A rejection is expensive: the error aborts the
//! whole transaction, the server writes a line to its log, and a second transaction has to read
//! what is left.
//!
//! # Fails as
//! SQLSTATE 23514 with the constraint's name. An unnamed constraint could not tell which of two
//! rules was violated.
//!
//! # Choose it when
//! Always, as the last line of defence behind another strategy; on its own where sales are many and
//! rejections few.

use std::time::Instant;

use async_trait::async_trait;

use super::row_lock;
use crate::{
    db::{
        engine,
        txn::{Abort, Outcome, TxnError, Work},
    },
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            InjectionPoint, PurchaseRequest,
            counters::{self, Level},
            purchase_transaction,
            sale::Sale,
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
        let outcome = purchase_transaction::run(shop, strategy, request.clone(), |work, sale| {
            Box::pin(take(work, sale))
        })
        .await;
        if !is_rejected(&outcome) {
            return outcome;
        }
        row_lock::fall_back(shop, request, &outcome, start).await
    }
}

fn is_rejected(outcome: &Outcome<Receipt>) -> bool {
    match &outcome.result {
        Err(TxnError::Database { source, .. }) => {
            engine::broken_constraint(source).as_deref() == Some(CONSTRAINT)
        }
        _ => false,
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.injection_point.run(work).await?;
    let level = counters::subtract_from_guarded(work, sale.offer.id, sale.quantity).await?;
    match level {
        Some(level) => Ok(Some(level)),
        // The row has no such constraint: it is unguarded, or it holds only a total.
        None => sale
            .take_under_lock(work, &InjectionPoint::Disabled)
            .await
            .map(Some),
    }
}
