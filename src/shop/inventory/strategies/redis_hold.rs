//! `redis-hold`: reserves in Redis for a limited time, and confirms by a conditional update.
//!
//! # Guarantees
//! A reservation in Redis promises nothing; the confirmation in the database decides, in one
//! statement. So the four edge cases of such reservations end well:
//! - *It ran out before the confirmation*: the purchase is confirmed if the row still has the
//!   units, and refused if not.
//! - *A second confirmation*: the idempotency key repeats the answer, and ending a reservation
//!   twice does nothing.
//! - *Paid without stock*: a checkout reserves in the row, too, and a payment that comes too late
//!   is refunded or backordered like any other.
//! - *A release after the confirmation*: the reservation is gone, and no unit returns.
//!
//! # Cost under contention
//! Two calls to Redis for each purchase. While the shopper pays, no connection and no lock is held.
//! A checkout asks Redis inside its transaction, for at most 200 ms.
//!
//! # Fails as
//! As `redis-counter`. In addition, reservations that no one confirms keep the counter low until
//! they run out; buyers who find it too low go to the row.
//!
//! # Choose it when
//! Payments take long, and most rejections should not need the database.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use uuid::Uuid;

use super::conditional_update::ConditionalUpdate;
use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            InjectionPoint, PurchaseRequest,
            counters::Level,
            gate::{Admission, LEASE, Reservation, StockGate, Ticket, take},
            hold::{HoldRequest, HoldStrategy},
            purchase_transaction,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct RedisHold;

#[async_trait]
impl PurchaseStrategy for RedisHold {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::RedisHold;
        let Some(gate) = shop.gate() else {
            return Outcome::refused(strategy.needs_redis());
        };
        let ttl = shop.terms.hold_ttl().unsigned_abs();
        let ticket = Ticket::reserve(gate, strategy, &request, ttl).await;
        let ticket = Arc::new(ticket);
        // The shopper pays here.
        let pause = shop.injection_point.run_outside_transaction().await;
        let sold = purchase_transaction::run_with(
            shop,
            strategy,
            request,
            Arc::clone(&ticket),
            |work, sale, ticket| Box::pin(take::take(work, sale, ticket)),
        );
        let mut outcome = ticket.close(sold.await).await;
        outcome.split.pause += pause;
        outcome
    }

    fn holding(&self) -> Option<&dyn HoldStrategy> {
        Some(self)
    }
}

#[async_trait]
impl HoldStrategy for RedisHold {
    async fn hold(
        &self,
        shop: &Shop,
        work: &Work,
        injection_point: &InjectionPoint,
        requests: &[HoldRequest],
    ) -> Result<Vec<Level>, Abort> {
        let mut reserved = Vec::with_capacity(requests.len());
        if let Some(gate) = shop.gate() {
            // All at once: a cart waits for Redis once, however many products it has.
            let asked = requests.iter().map(|request| reserve(shop, gate, request));
            let mut is_unavailable = false;
            for answer in work.time_redis(join_all(asked)).await {
                let (reservation, answered) = answer?;
                reserved.push((gate.clone(), reservation));
                is_unavailable |= !answered;
            }
            if is_unavailable {
                let shop = shop.clone();
                work.after_commit(move || shop.metrics().fell_back(StrategyKey::RedisHold));
            }
        }
        let levels = ConditionalUpdate
            .hold(shop, work, injection_point, requests)
            .await?;
        // From then on, the row has the reservation. Without a commit, the lease runs out.
        for ((gate, reservation), level) in reserved.into_iter().zip(&levels) {
            let level = *level;
            work.after_commit(move || {
                tokio::spawn(async move {
                    if let Err(error) = gate.confirm(&reservation, level).await {
                        tracing::debug!(%error, "could not write a reservation to the gate; reconciliation does it");
                    }
                });
            });
        }
        Ok(levels)
    }

    async fn hold_locked(
        &self,
        shop: &Shop,
        work: &Work,
        injection_point: &InjectionPoint,
        requests: &[HoldRequest],
    ) -> Result<Vec<Level>, Abort> {
        ConditionalUpdate
            .hold(shop, work, injection_point, requests)
            .await
    }
}

/// Reserves the units of one product, if Redis answers, and refuses what the row has just refused.
/// Returns whether Redis answered.
async fn reserve(
    shop: &Shop,
    gate: &StockGate,
    request: &HoldRequest,
) -> Result<(Reservation, bool), Abort> {
    let reservation = Reservation {
        product_id: request.product_id,
        units: request.more,
        key: Uuid::new_v4().to_string(),
    };
    match gate.reserve(&reservation, LEASE).await {
        Ok((Admission::Refused(refusal), _)) if !refusal.is_outdated(shop, request.product_id) => {
            Err(request.refusal(refusal.available).into())
        }
        answer => Ok((reservation, answer.is_ok())),
    }
}
