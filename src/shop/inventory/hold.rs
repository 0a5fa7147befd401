//! Reserving stock: the part of a strategy that a checkout runs inside its own transaction.

use async_trait::async_trait;

use super::{InjectionPoint, counters::Level};
use crate::{
    db::txn::{Abort, Work},
    model::{Quantity, ShopError, product::insufficient},
    shop::Shop,
};

/// Units of one product that a cart needs in addition to the units already held for it.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    pub product_id: i64,
    pub product_name: String,
    /// Always above zero.
    pub more: i64,
    /// Units already held for this cart.
    pub held: i64,
}

impl HoldRequest {
    /// Builds the error for a request that `available` units do not cover. The shopper's own hold
    /// counts as available to them.
    pub fn refusal(&self, available: i64) -> ShopError {
        match Quantity::new(self.held + self.more) {
            Ok(requested) => insufficient(&self.product_name, available + self.held, requested),
            Err(error) => error,
        }
    }
}

/// A strategy that can reserve stock. It works inside its caller's transaction, because a hold is
/// one step of several.
#[async_trait]
pub trait HoldStrategy: Send + Sync {
    /// Moves the units of all `requests`, which are in id order, from available to reserved.
    /// Returns the stock rows as it left them.
    ///
    /// # Errors
    /// [`ShopError::InsufficientStock`] for the first product that is short of stock; the caller
    /// rolls back.
    async fn hold(
        &self,
        shop: &Shop,
        work: &Work,
        injection_point: &InjectionPoint,
        requests: &[HoldRequest],
    ) -> Result<Vec<Level>, Abort>;

    /// The same in a transaction that has locked the rows and may have released units of them: no
    /// other service is asked meanwhile, and what others were refused says nothing about it.
    ///
    /// # Errors
    /// As [`HoldStrategy::hold`].
    async fn hold_locked(
        &self,
        shop: &Shop,
        work: &Work,
        injection_point: &InjectionPoint,
        requests: &[HoldRequest],
    ) -> Result<Vec<Level>, Abort> {
        self.hold(shop, work, injection_point, requests).await
    }
}
