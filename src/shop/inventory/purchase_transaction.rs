//! The frame of a purchase in one transaction of several statements, for the strategies that differ
//! only in how they take the stock.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{
    PurchaseRequest,
    committed::CommittedOrders,
    counters::Level,
    sale::{Sale, check_offer},
};
use crate::{
    db::txn::{self, Abort, Outcome, Policy, Work},
    model::{Bill, Receipt, StrategyKey},
    shop::{
        Shop, catalog, idempotency,
        orders::{self, NewLine, NewOrder},
    },
};

/// Runs idempotency key, rules, stock, order and key again as one transaction. `take` takes the
/// stock, and is the part that differs between strategies. `take` returns the stock row as it left
/// it, if the layout has a single row.
pub async fn run<F>(
    shop: &Shop,
    strategy: StrategyKey,
    request: PurchaseRequest,
    take: F,
) -> Outcome<Receipt>
where
    F: for<'w> Fn(&'w Work, &'w Sale) -> BoxFuture<'w, Result<Option<Level>, Abort>>
        + Copy
        + Send
        + Sync
        + 'static,
{
    run_with(shop, strategy, request, (), move |work, sale, _| {
        take(work, sale)
    })
    .await
}

/// The same, and drops `guard` when the transaction has ended: the transaction also ends if its
/// buyer leaves, which drops only the future of this function.
pub async fn run_holding<G, F>(
    shop: &Shop,
    strategy: StrategyKey,
    request: PurchaseRequest,
    guard: G,
    take: F,
) -> Outcome<Receipt>
where
    G: Send + Sync + 'static,
    F: for<'w> Fn(&'w Work, &'w Sale) -> BoxFuture<'w, Result<Option<Level>, Abort>>
        + Copy
        + Send
        + Sync
        + 'static,
{
    run_with(shop, strategy, request, guard, move |work, sale, _| {
        take(work, sale)
    })
    .await
}

/// The same, and passes `context` to `take`.
pub async fn run_with<C, F>(
    shop: &Shop,
    strategy: StrategyKey,
    request: PurchaseRequest,
    context: C,
    take: F,
) -> Outcome<Receipt>
where
    C: Send + Sync + 'static,
    F: for<'w> Fn(&'w Work, &'w Sale, &'w C) -> BoxFuture<'w, Result<Option<Level>, Abort>>
        + Copy
        + Send
        + Sync
        + 'static,
{
    let policy = Policy {
        isolation: strategy.row().isolation,
        ..shop.policy(strategy.as_str())
    };
    let shop = shop.clone();
    // This closure, which the transaction's own task keeps, and its attempts own the context.
    let context = Arc::new(context);
    txn::run(&shop.db.clone(), policy, move |work| {
        let (shop, request, context) = (shop.clone(), request.clone(), Arc::clone(&context));
        Box::pin(async move { sell(work, &shop, strategy, &request, &*context, take).await })
    })
    .await
}

async fn sell<C, F>(
    work: &Work,
    shop: &Shop,
    strategy: StrategyKey,
    request: &PurchaseRequest,
    context: &C,
    take: F,
) -> Result<Receipt, Abort>
where
    C: Sync,
    F: for<'w> Fn(&'w Work, &'w Sale, &'w C) -> BoxFuture<'w, Result<Option<Level>, Abort>>,
{
    if let Some(receipt) = idempotency::claim(work, request.claim.as_ref()).await? {
        return Ok(receipt);
    }
    let offer = catalog::offer(work, request.product_id).await?;
    check_offer(&offer, strategy, request)?;
    let sale = Sale {
        offer,
        quantity: request.quantity,
        injection_point: shop.injection_point.clone(),
        strategy,
        shop: shop.clone(),
    };
    let level = take(work, &sale, context).await?;
    let lines = vec![NewLine::of(&sale.offer, request.quantity)?];
    let bill = Bill::without_delivery(orders::subtotal(&lines)?).ok_or_else(orders::too_large)?;
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
        remaining_stock: level.map(|level| level.available),
    };
    idempotency::record(work, request.claim.as_ref(), &receipt).await?;
    CommittedOrders {
        product_id: sale.offer.id,
        orders: 1,
        level,
    }
    .report_after_commit(work, shop);
    Ok(receipt)
}
