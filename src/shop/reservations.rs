//! Reservations: the stock of a cart, reserved while its shopper is at the checkout. A reservation
//! consists of one hold for each line; see [`super::holds`].

use tracing::Span;
use uuid::Uuid;

use super::{
    Shop,
    cart::{self, KeyedCart},
    holds::{self, SWEEP_BATCH_SIZE},
    idempotency::Claim,
};
use crate::{
    db::txn::{self, Outcome, TxnError},
    metrics::Journey,
    model::ShopError,
    telemetry::spans,
};

/// Reserves the stock of carts; see [`Shop::reservations`].
#[derive(Clone, Copy, Debug)]
pub struct Reservations<'a> {
    pub(super) shop: &'a Shop,
}

impl Reservations<'_> {
    /// Reserves all lines of the cart, or none, when the shopper enters the checkout. Existing
    /// holds remain and keep their expiry time.
    ///
    /// Rejections: [`ShopError::CartEmpty`]; [`ShopError::InsufficientStock`] for the first line
    /// that stock does not cover; [`ShopError::SaleNotStarted`]; [`ShopError::SaleEnded`];
    /// [`ShopError::OverCustomerLimit`]; [`ShopError::IdempotencyKeyReused`]; the errors of
    /// [`holds::admit`].
    pub async fn reserve(self, cart_id: Uuid, claim: Option<Claim>) -> Outcome<()> {
        let shop = self.shop.clone();
        let keyed = KeyedCart { cart_id, claim };
        let begun = self.shop.metrics().attempt(Journey::Reserve);
        let reserved = self
            .shop
            .carts()
            .write_cart("reserve cart", keyed, move |work| {
                let shop = shop.clone();
                Box::pin(async move { cart::reserve_lines(work, &shop, cart_id).await })
            })
            .await;
        let end = reserved.result.as_ref().map(|_| ());
        let end = end.map_err(TxnError::refusal_reason);
        let trace = spans::trace_of(&Span::current());
        self.shop.metrics().end(Journey::Reserve, begun, end, trace);
        reserved
    }

    /// Restarts the full reservation time of the cart. This is possible once per reservation, and
    /// for a shopper with limits once until they have paid.
    ///
    /// # Errors
    /// [`ShopError::ReservationExpired`] if the cart has no live reservation;
    /// [`ShopError::AlreadyExtended`].
    pub async fn extend(self, cart_id: Uuid, claim: Option<Claim>) -> Result<(), ShopError> {
        let ttl = self.shop.terms.hold_ttl();
        let keyed = KeyedCart { cart_id, claim };
        self.shop
            .carts()
            .write_cart("extend reservation", keyed, move |work| {
                Box::pin(async move { holds::extend(work, cart_id, ttl).await })
            })
            .await
            .result
            .map_err(ShopError::from)
    }

    /// Releases all expired holds, in batches of [`SWEEP_BATCH_SIZE`], and returns their number.
    /// Several server processes may do this at the same time.
    pub async fn sweep_expired(self) -> Result<u64, TxnError> {
        let mut swept = 0;
        loop {
            let shop = self.shop.clone();
            let batch = txn::run_for_result(
                &self.shop.db,
                self.shop.policy("sweep expired holds"),
                move |work| {
                    let shop = shop.clone();
                    Box::pin(async move { holds::sweep(work, &shop, None).await })
                },
            )
            .await?;
            swept += batch;
            self.shop.metrics().holds_swept.add(batch);
            if batch < SWEEP_BATCH_SIZE {
                return Ok(swept);
            }
        }
    }
}
