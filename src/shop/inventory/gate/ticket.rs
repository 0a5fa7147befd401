//! The way of one purchase through the gate, to the row, and back to the gate.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{Admission, RedisClock, Reservation, StockGate};
use crate::{
    config::crash_point,
    db::txn::{Outcome, TxnError},
    model::{Receipt, ShopError, StrategyKey},
    redis::Unavailable,
    shop::inventory::{PurchaseRequest, counters::Level},
};

/// See the module's documentation.
#[derive(Debug)]
pub struct Ticket {
    gate: StockGate,
    strategy: StrategyKey,
    reservation: Reservation,
    admission: Admission,
    /// `None` if Redis did not answer.
    clock: Option<RedisClock>,
    is_closed: AtomicBool,
    /// How long the gate took.
    waited: Duration,
    /// The row as the last attempt of the purchase found or left it.
    level: Mutex<Option<(Level, Instant)>>,
}

impl Ticket {
    /// Reserves the units of a request, if Redis answers.
    pub async fn reserve(
        gate: &StockGate,
        strategy: StrategyKey,
        request: &PurchaseRequest,
        lease: Duration,
    ) -> Self {
        let start = Instant::now();
        let reservation = Reservation {
            product_id: request.product_id,
            units: request.quantity.get().into(),
            key: match &request.claim {
                Some(claim) => claim.key().to_owned(),
                None => Uuid::new_v4().to_string(),
            },
        };
        let reserved = gate.reserve(&reservation, lease).await;
        crash_point::pass("after reserving by", strategy.as_str());
        let (admission, clock) = match reserved {
            Ok((admission, clock)) => (admission, Some(clock)),
            Err(_) => (Admission::Unknown, None),
        };
        Self {
            gate: gate.clone(),
            strategy,
            reservation,
            admission,
            clock,
            is_closed: AtomicBool::new(false),
            waited: start.elapsed(),
            level: Mutex::new(None),
        }
    }

    /// What the gate answered.
    pub fn admission(&self) -> Admission {
        self.admission
    }

    /// Notes the row as the purchase has found it under its lock, or has left it. The level is
    /// written to the gate only if that is committed.
    pub fn note_level(&self, level: Level) {
        let mut last = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((level, Instant::now()));
    }

    /// Confirms or releases, by the outcome of the purchase. If the outcome is unknown, the lease
    /// runs out: the unit may be sold. If Redis did not answer, the row has sold alone, and that
    /// counts as a fallback.
    pub async fn close(&self, mut outcome: Outcome<Receipt>) -> Outcome<Receipt> {
        let start = Instant::now();
        crash_point::pass("before confirming by", self.strategy.as_str());
        if let Err(error) = self.report_to_gate(&outcome.result).await {
            tracing::debug!(%error, "could not write the outcome of a purchase to the gate; reconciliation does it");
        }
        self.is_closed.store(true, Ordering::Relaxed);
        outcome.split.redis += self.waited + start.elapsed();
        if self.clock.is_none() && outcome.attempts > 0 {
            outcome.fallbacks += 1;
        }
        outcome
    }

    async fn report_to_gate(&self, result: &Result<Receipt, TxnError>) -> Result<(), Unavailable> {
        let level = *self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (gate, reservation) = (&self.gate, &self.reservation);
        match (result, level) {
            (Ok(_), Some((level, _))) => gate.confirm(reservation, level).await.map(drop),
            (Err(TxnError::Refused(ShopError::InsufficientStock { .. })), Some((level, at))) => {
                match self.clock {
                    Some(clock) => gate.refuse(reservation, level, clock.at(at)).await,
                    None => gate.confirm(reservation, level).await,
                }
                .map(drop)
            }
            (Err(TxnError::OutcomeUnknown { .. }), _) => Ok(()),
            // A repeated answer, another rule, or an error: the row is as it was.
            _ if matches!(self.admission, Admission::Reserved { .. }) => {
                gate.release(reservation).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// The buyer may have left. Their purchase has ended by now, because it has a ticket of its own
/// until then: the row shows whether it has taken the units.
impl Drop for Ticket {
    fn drop(&mut self) {
        if !*self.is_closed.get_mut()
            && matches!(self.admission, Admission::Reserved { .. })
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (gate, reservation) = (self.gate.clone(), self.reservation.clone());
            runtime.spawn(async move {
                if let Err(error) = gate.release(&reservation).await {
                    tracing::debug!(%error, "could not end the lease of a buyer who left; it expires");
                }
            });
        }
    }
}
