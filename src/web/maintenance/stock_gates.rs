//! Reconciles the gates in Redis with the stock rows.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::shop::{
    Shop,
    gates::{GateFailure, GatesError, RECONCILE_EVERY},
};

/// Reconciles the gates every two seconds, until the server stops. Several servers may do this at
/// the same time: one of them reads the rows.
pub async fn reconcile(shop: Shop, shutdown: CancellationToken) {
    let failing = Failing::default();
    every(RECONCILE_EVERY, &shutdown, || {
        reconcile_once(&shop, &failing)
    })
    .await;
}

/// The products whose gates could not be reconciled the last time.
#[derive(Debug, Default)]
struct Failing(Mutex<BTreeSet<i64>>);

impl Failing {
    /// Logs the failures that are new: a gate that stays unusable is logged once.
    fn log(&self, failed: &[GateFailure]) {
        let now: BTreeSet<i64> = failed.iter().map(|failure| failure.product_id).collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for failure in failed {
            if !known.contains(&failure.product_id) {
                tracing::warn!(%failure, "a gate cannot be reconciled; its purchases use the stock row alone");
            }
        }
        *known = now;
    }
}

async fn reconcile_once(shop: &Shop, failing: &Failing) {
    match shop.gates().reconcile().await {
        Ok(Some(done)) => {
            failing.log(&done.failed);
            for report in &done.reconciled {
                tracing::debug!(%report, "a gate differed from its row and was reconciled");
            }
        }
        Ok(None) | Err(GatesError::NoRedis) => {}
        // The connection logs when Redis goes and comes.
        Err(GatesError::Redis(error)) => {
            tracing::debug!(%error, "could not reconcile the gates; the next round tries again")
        }
        Err(GatesError::Shop(error)) => {
            tracing::warn!(%error, "could not reconcile the gates in Redis");
        }
    }
}
