//! The express purchase: the way in for all strategies, and the frame that those fill which take stock in one transaction of several
//! statements.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::{
    Seam, counters,
    counters::Level,
    sold_out::{Advice, Note, Scout},
    strategies::RowLock,
    strategy::{self, PurchaseStrategy},
};
use crate::{
    db::{
        entity::stock,
        locks,
        txn::{self, Abort, Isolation, Outcome, Policy, TxnError, Work},
    },
    feed::StockChange,
    model::{Bill, Quantity, Receipt, ShopError, StockLayout, StrategyKey, product::insufficient},
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

impl Shop {
    /// The express purchase: takes stock by `strategy` and writes the order, in one call.
    pub async fn purchase(
        &self,
        strategy: StrategyKey,
        request: PurchaseRequest,
    ) -> Outcome<Receipt> {
        let start = Instant::now();
        let _inside = self.shared.sold_out.enter(request.product_id);
        let scout = match self.way_out(strategy, &request).await {
            Ok(scout) => scout,
            Err(refusal) => return Outcome::refused(refusal),
        };
        let outcome = strategy::of(strategy).purchase(self, request.clone()).await;
        drop(scout);
        // Contention must not undersell: at the row lock everybody gets a turn.
        let gave_up = matches!(outcome.result, Err(TxnError::Exhausted { .. }));
        if gave_up && strategy.may_sell_in_shop() && strategy != StrategyKey::RowLock {
            let mut outcome = by_row_lock_after(self, request, &outcome, start).await;
            outcome.fallbacks += 1;
            return outcome;
        }
        outcome
    }

    /// Sends a buyer away who need not ask the row, because it has just refused as much to others.
    async fn way_out(
        &self,
        strategy: StrategyKey,
        request: &PurchaseRequest,
    ) -> Result<Option<Scout>, ShopError> {
        if !strategy.is_safe() {
            return Ok(None);
        }
        loop {
            let advice =
                self.shared
                    .sold_out
                    .advise(&self.feed, request.product_id, request.quantity);
            match advice {
                Advice::GoOn(scout) => return Ok(scout),
                Advice::Refused(refusal) => {
                    let bought_before = match &request.claim {
                        Some(claim) => self.shared.known_keys.is_known(&self.db, claim.key()).await,
                        None => Some(false),
                    };
                    return match bought_before {
                        Some(false) => Err(refusal),
                        _ => Ok(None),
                    };
                }
                // Ends with the scout, at the latest by the deadline of its purchase.
                Advice::Wait(mut told) => drop(told.changed().await),
            }
        }
    }
}

/// Goes on with the row lock after an attempt that came to nothing, and adds up what both took. Also how a strategy finds out the reason
/// why it sold nothing: here the rules are asked one by one, and stock is refused under a waiting lock.
pub async fn by_row_lock_after<T>(
    shop: &Shop,
    request: PurchaseRequest,
    before: &Outcome<T>,
    start: Instant,
) -> Outcome<Receipt> {
    let left = shop.deadline.saturating_sub(start.elapsed());
    let shop = shop
        .clone()
        .with_deadline(left.max(LOOK_AGAIN_MIN))
        .with_seam(Seam::Closed);
    RowLock.purchase(&shop, request).await.after(before)
}

/// What is left at least for the second way, however long the first took.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(250);

/// A request that has passed the rules that need no lock, on its way to the stock.
#[derive(Debug)]
pub struct Sale {
    pub offer: Offer,
    pub quantity: Quantity,
    pub seam: Seam,
    pub strategy: StrategyKey,
    shop: Shop,
}

impl Sale {
    /// The quantity, as the counters have it.
    pub fn units(&self) -> i64 {
        self.quantity.get().into()
    }

    /// Whether `row` has enough.
    ///
    /// # Errors
    /// [`ShopError::StrategyOfOtherLane`] if the stock is laid out for another strategy.
    pub fn fits(&self, row: &stock::Model) -> Result<bool, Abort> {
        if row.layout != StockLayout::Row.as_str() {
            return Err(ShopError::StrategyOfOtherLane(self.strategy.to_string()).into());
        }
        Ok(row.available >= self.units())
    }

    /// The refusal by what is `available`, which nobody can change now.
    pub fn refuse(&self, available: i64, version: i64) -> Abort {
        refuse(&self.shop, &self.offer, self.quantity, available, version).into()
    }

    /// Reads the row and takes no lock.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; what the database says.
    pub async fn read(&self, work: &Work) -> Result<stock::Model, Abort> {
        let row = counters::read(work, self.offer.id).await?;
        row.ok_or_else(|| ShopError::UnknownProduct.into())
    }

    /// Reads the row and compares in the application, with whatever may have become of it since: how the exhibits begin.
    ///
    /// # Errors
    /// [`ShopError::StrategyUnsafeHere`] where a constraint would stand in the way; [`ShopError::InsufficientStock`], of which nobody takes note.
    pub async fn read_and_compare(&self, work: &Work) -> Result<stock::Model, Abort> {
        let row = self.read(work).await?;
        if !row.unguarded {
            return Err(ShopError::StrategyUnsafeHere(self.strategy.to_string()).into());
        }
        if row.available < self.units() {
            return Err(insufficient(&self.offer.name, row.available, self.quantity).into());
        }
        Ok(row)
    }

    /// Sells from `row`, which this transaction has locked.
    ///
    /// # Errors
    /// [`ShopError::InsufficientStock`]; what the database says.
    pub async fn take_from(&self, work: &Work, row: &stock::Model) -> Result<Level, Abort> {
        if !self.fits(row)? {
            return Err(self.refuse(row.available, row.version));
        }
        counters::sell(work, self.offer.id, self.quantity)
            .await?
            .ok_or_else(|| self.refuse(row.available, row.version))
    }

    /// Sells from the row under a waiting lock: what every refusal is decided by.
    ///
    /// # Errors
    /// As [`Sale::take_from`].
    pub async fn take_under_lock(&self, work: &Work, seam: &Seam) -> Result<Level, Abort> {
        let row = locks::stock_row(work, self.offer.id)
            .await?
            .ok_or(ShopError::UnknownProduct)?;
        seam.pass(work).await?;
        self.take_from(work, &row).await
    }
}

/// Refuses `quantity` of an offer whose row is locked, and takes note of it for others.
pub fn refuse(
    shop: &Shop,
    offer: &Offer,
    quantity: Quantity,
    available: i64,
    version: i64,
) -> ShopError {
    shop.shared.sold_out.note(
        offer.id,
        Note {
            product_name: offer.name.clone(),
            available,
            version,
            per_customer_limit: offer.per_customer_limit,
            at: Instant::now(),
        },
    );
    insufficient(&offer.name, available, quantity)
}

/// The rules about an offer that need no lock.
///
/// # Errors
/// The refusal.
pub fn check_offer(
    offer: &Offer,
    strategy: StrategyKey,
    quantity: Quantity,
) -> Result<(), ShopError> {
    if offer.lane_id.is_none() {
        strategy.check_may_sell_in_shop()?;
    }
    offer.check_open()?;
    offer.check_limit(quantity.get().into())
}

/// Runs key, rules, stock, order and key again as one transaction, with `take` as the part that differs. `take` returns the common row as
/// it left it, if the stock is laid out so that there is one.
pub async fn in_one_transaction<F>(
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
    let isolation = match strategy {
        StrategyKey::Serializable => Isolation::Serializable,
        _ => Isolation::ReadCommitted,
    };
    let policy = Policy {
        isolation,
        ..shop.policy(strategy.as_str())
    };
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
    F: for<'w> Fn(&'w Work, &'w Sale) -> BoxFuture<'w, Result<Option<Level>, Abort>>,
{
    if let Some(receipt) = idempotency::claim(work, request.claim.as_ref()).await? {
        return Ok(receipt);
    }
    let offer = catalog::offer(work, request.product_id).await?;
    check_offer(&offer, strategy, request.quantity)?;
    let sale = Sale {
        offer,
        quantity: request.quantity,
        seam: shop.seam.clone(),
        strategy,
        shop: shop.clone(),
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
        remaining_stock: level.map(|level| level.available),
    };
    idempotency::record(work, request.claim.as_ref(), &receipt).await?;
    if let Some(level) = level {
        announce(work, shop, sale.offer.id, level);
    }
    Ok(receipt)
}

/// Publishes the new level once it is committed.
pub fn announce(work: &Work, shop: &Shop, product_id: i64, level: Level) {
    let shop = shop.clone();
    work.after_commit(move || publish(&shop, product_id, level));
}

/// Publishes a level that is committed.
pub fn publish(shop: &Shop, product_id: i64, level: Level) {
    shop.feed.publish(StockChange {
        product_id,
        available: level.available,
        version: level.version,
    });
}
