//! The trait that every strategy implements.

use async_trait::async_trait;

use super::{PurchaseRequest, hold::HoldStrategy};
use crate::{db::txn::Outcome, model::Receipt, shop::Shop};

/// A way to sell stock, for the whole unit of work: a strategy decides where its transactions begin
/// and end.
#[async_trait]
pub trait PurchaseStrategy: Send + Sync {
    /// Takes the stock and writes the order, its line, its stock movement and its idempotency key,
    /// or writes nothing.
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt>;

    /// Returns how many purchases of a product wait in this process's memory; `None` if buyers of
    /// this strategy wait in the database.
    fn queue_length(&self, _shop: &Shop, _product_id: i64) -> Option<u64> {
        None
    }

    /// Returns the same strategy for holds, if it can reserve stock.
    fn holding(&self) -> Option<&dyn HoldStrategy> {
        None
    }
}
