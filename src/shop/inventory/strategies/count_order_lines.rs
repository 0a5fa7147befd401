//! `count-order-lines`: counts the units in the order lines, compares in the application, then runs
//! `available = available - n` without a condition. **Unsafe on purpose.**
//!
//! # Guarantees
//! No update of the counter is lost, because the subtraction is relative. Nothing else: an order
//! line is visible only after its commit, so two buyers of the last unit count the same lines. It
//! runs only on private lanes, whose row has no stock constraints.
//!
//! # Cost under contention
//! One round trip more than `blind-decrement`, and each count reads all order lines of the product:
//! the more is sold, the longer it takes.
//!
//! # Fails as
//! A negative number in the stock column. The count itself shows the oversell only afterwards, and
//! then refuses every buyer.
//!
//! # Choose it when
//! You want to show that counting rows reserves nothing.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr};

use crate::{
    db::{
        dialect,
        txn::{Abort, Outcome, Work},
    },
    model::{Receipt, ShopError, StrategyKey, product::insufficient},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest,
            counters::{self, Level},
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// `$1` product.
const UNITS_ORDERED: &str =
    "SELECT coalesce(sum(quantity), 0) AS units FROM order_line WHERE product_id = $1";

/// See the module's documentation.
pub struct CountOrderLines;

#[async_trait]
impl PurchaseStrategy for CountOrderLines {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::CountOrderLines, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let row = sale.read(work).await?;
    if !row.unguarded {
        return Err(ShopError::StrategyUnsafe(sale.strategy.to_string()).into());
    }
    let left = row.total - units_ordered(work, sale.offer.id).await?;
    if left < sale.units() {
        return Err(insufficient(&sale.offer.name, left, sale.quantity).into());
    }
    sale.injection_point.run(work).await?;
    counters::subtract_unchecked(work, sale.offer.id, sale.quantity)
        .await
        .map_err(Abort::from)
}

/// Returns the units in all order lines of the product that are visible to this transaction.
async fn units_ordered(work: &Work, product_id: i64) -> Result<i64, DbErr> {
    let count = dialect::statement(UNITS_ORDERED, [product_id.into()]);
    let row = work.connection().query_one_raw(count).await?;
    row.map_or(Ok(0), |row| row.try_get("", "units"))
}
