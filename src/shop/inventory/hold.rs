//! Setting stock aside: what a strategy does for a checkout, inside the checkout's own transaction.

use async_trait::async_trait;

use super::{Seam, counters::Level};
use crate::{
    db::txn::{Abort, Work},
    model::{Quantity, ShopError, product::insufficient},
};

/// Units of one product that a cart wants in addition to what is held for it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub product_id: i64,
    pub product_name: String,
    /// Above zero.
    pub more: i64,
    /// Held for this cart already.
    pub held: i64,
}

impl Wanted {
    /// The refusal when only `available` are left. To the shopper their own hold is available too.
    pub fn refusal(&self, available: i64) -> ShopError {
        match Quantity::new(self.held + self.more) {
            Ok(requested) => insufficient(&self.product_name, available + self.held, requested),
            Err(error) => error,
        }
    }
}

/// A strategy that can set stock aside. It works in a transaction that somebody else began, since a hold is one step of several.
#[async_trait]
pub trait HoldStrategy: Send + Sync {
    /// Moves all of `wanted`, which come in id order, from available to reserved, and returns their rows as it left them.
    ///
    /// # Errors
    /// [`ShopError::InsufficientStock`] for the first product that is not there, and the caller rolls back; what the database says.
    async fn hold(&self, work: &Work, seam: &Seam, wanted: &[Wanted]) -> Result<Vec<Level>, Abort>;
}
