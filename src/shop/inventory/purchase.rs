//! The express purchase in one transaction: the frame that most strategies fill with their way of taking stock.

use futures::future::BoxFuture;

use super::{Seam, counters::Level};
use crate::{
    db::txn::{self, Abort, Outcome, Work},
    feed::StockChange,
    model::{Bill, Quantity, Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        catalog::{self, Offer},
        idempotency::{self, Claim},
        orders::{self, NewLine, NewOrder},
    },
};

/// What a buyer asks for.
#[derive(Clone, Debug)]
pub struct PurchaseRequest {
    pub product_id: i64,
    pub quantity: Quantity,
    /// The caller's idempotency key, if it sent one.
    pub claim: Option<Claim>,
    /// The workbench lane on whose behalf a simulated buyer asks.
    pub lane_id: Option<i64>,
}

/// A request that has passed the rules that need no lock, on its way to the stock.
#[derive(Debug)]
pub struct Sale {
    pub offer: Offer,
    pub quantity: Quantity,
    pub seam: Seam,
}

/// Runs key, rules, stock, order and key again as one transaction, with `take` as the part that differs. `take` returns the row as it
/// left it.
pub async fn in_one_transaction<F>(
    shop: &Shop,
    strategy: StrategyKey,
    request: PurchaseRequest,
    take: F,
) -> Outcome<Receipt>
where
    F: for<'w> Fn(&'w Work, &'w Sale) -> BoxFuture<'w, Result<Level, Abort>>
        + Copy
        + Send
        + Sync
        + 'static,
{
    let policy = shop.policy(strategy.as_str());
    let shop = shop.clone();
    txn::run(&shop.db.clone(), policy, move |work| {
        let (shop, request) = (shop.clone(), request.clone());
        Box::pin(async move { purchase(work, &shop, strategy, &request, take).await })
    })
    .await
}

async fn purchase<F>(
    work: &Work,
    shop: &Shop,
    strategy: StrategyKey,
    request: &PurchaseRequest,
    take: F,
) -> Result<Receipt, Abort>
where
    F: for<'w> Fn(&'w Work, &'w Sale) -> BoxFuture<'w, Result<Level, Abort>>,
{
    if let Some(receipt) = idempotency::claim(work, request.claim.as_ref()).await? {
        return Ok(receipt);
    }
    let offer = catalog::offer(work, request.product_id).await?;
    if offer.lane_id.is_none() && !strategy.is_safe() {
        return Err(ShopError::StrategyUnsafeHere(strategy.to_string()).into());
    }
    offer.check_open()?;
    offer.check_limit(request.quantity.get().into())?;
    let sale = Sale {
        offer,
        quantity: request.quantity,
        seam: shop.seam.clone(),
    };
    let level = take(work, &sale).await?;
    let lines = vec![NewLine::of(&sale.offer, request.quantity)?];
    let bill = Bill::handed_over(orders::subtotal(&lines)?).ok_or_else(orders::too_large)?;
    let order = orders::write_placed(
        work,
        &NewOrder {
            contact: None,
            lane_id: request.lane_id.or(sale.offer.lane_id),
            cart_id: None,
            code: None,
            bill,
            lines,
        },
    )
    .await?;
    let receipt = Receipt {
        order_id: order.public_id.to_string(),
        remaining_stock: Some(level.available),
    };
    idempotency::record(work, request.claim.as_ref(), &receipt).await?;
    announce(work, shop, sale.offer.id, level);
    Ok(receipt)
}

/// Publishes the new level once it is committed.
pub fn announce(work: &Work, shop: &Shop, product_id: i64, level: Level) {
    let feed = shop.feed.clone();
    work.after_commit(move || {
        feed.publish(StockChange {
            product_id,
            available: level.available,
            version: level.version,
        });
    });
}
