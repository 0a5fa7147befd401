//! The trait that every strategy implements.

use async_trait::async_trait;

use uuid::Uuid;

use super::{PurchaseRequest, hold::HoldStrategy};
use crate::{db::txn::Outcome, model::Receipt, shop::Shop};

/// The answer to a purchase whose caller can follow its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The order is written.
    Written(Receipt),
    /// The order will have this id, if it is not refused. So many orders are in front of it.
    InQueue { order_id: Uuid, ahead: u64 },
}

impl From<Receipt> for Accepted {
    fn from(receipt: Receipt) -> Self {
        Self::Written(receipt)
    }
}

/// A way to sell stock, for the whole unit of work: a strategy decides where its transactions begin
/// and end.
#[async_trait]
pub trait PurchaseStrategy: Send + Sync {
    /// Takes the stock and writes the order, its line, its stock movement and its idempotency key,
    /// or writes nothing.
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt>;

    /// The same for a caller who can follow the order: a strategy with a queue that outlives this
    /// process answers as soon as the purchase is in it.
    async fn accept(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Accepted> {
        self.purchase(shop, request).await.map(Accepted::Written)
    }

    /// Returns how many purchases of a product wait in this process's memory; `None` if buyers of
    /// this strategy wait in the database.
    fn queue_length(&self, _shop: &Shop, _product_id: i64) -> Option<u64> {
        None
    }

    /// True if a purchase may wait where the database does not know its key. Such a strategy looks
    /// for the key itself, before it refuses.
    fn knows_waiting_keys(&self) -> bool {
        false
    }

    /// Returns the same strategy for holds, if it can reserve stock.
    fn holding(&self) -> Option<&dyn HoldStrategy> {
        None
    }
}
