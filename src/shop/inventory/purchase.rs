//! The express purchase: the entry point for all strategies, and the frame for the strategies that
//! take stock in one transaction of several statements.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::{
    InjectionPoint, counters,
    counters::Level,
    sold_out::{CacheLookup, CachedRefusal, RefreshGuard},
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

/// A request to buy units of one product.
#[derive(Clone, Debug)]
pub struct PurchaseRequest {
    pub product_id: i64,
    pub quantity: Quantity,
    /// The caller's idempotency key, if it sent one.
    pub claim: Option<Claim>,
    /// The workbench lane for which a simulated buyer asks.
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
        let _buyer = self.shared.sold_out.track_buyer(request.product_id);
        let refresh_guard = match self.check_sold_out_cache(strategy, &request).await {
            Ok(refresh_guard) => refresh_guard,
            Err(refusal) => return Outcome::refused(refusal),
        };
        let outcome = strategy::of(strategy).purchase(self, request.clone()).await;
        drop(refresh_guard);
        // Contention must not undersell: at the row lock every buyer gets a turn.
        let exhausted = matches!(outcome.result, Err(TxnError::Exhausted { .. }));
        if exhausted && strategy.may_sell_in_shop() && strategy != StrategyKey::RowLock {
            let mut outcome = fall_back_to_row_lock(self, request, &outcome, start).await;
            outcome.fallbacks += 1;
            return outcome;
        }
        outcome
    }

    /// Refuses a buyer from the sold-out cache, if the row has just refused as many units to
    /// another buyer.
    async fn check_sold_out_cache(
        &self,
        strategy: StrategyKey,
        request: &PurchaseRequest,
    ) -> Result<Option<RefreshGuard>, ShopError> {
        if !strategy.is_safe() {
            return Ok(None);
        }
        loop {
            let lookup =
                self.shared
                    .sold_out
                    .look_up(&self.feed, request.product_id, request.quantity);
            match lookup {
                CacheLookup::Miss(refresh_guard) => return Ok(refresh_guard),
                CacheLookup::Hit(refusal) => {
                    let key_is_known = match &request.claim {
                        Some(claim) => self.shared.key_lookup.is_known(&self.db, claim.key()).await,
                        None => Some(false),
                    };
                    return match key_is_known {
                        Some(false) => Err(refusal),
                        _ => Ok(None),
                    };
                }
                // Ends when the refreshing buyer ends, at the latest at the deadline of their
                // purchase.
                CacheLookup::Refreshing(mut refreshed) => drop(refreshed.changed().await),
            }
        }
    }
}

/// Runs the purchase with the row lock after an attempt that sold nothing, and adds up the cost of
/// both. A strategy also uses this to find out why it sold nothing: here the rules are checked one
/// by one, and stock is refused under a waiting lock.
pub async fn fall_back_to_row_lock<T>(
    shop: &Shop,
    request: PurchaseRequest,
    earlier: &Outcome<T>,
    start: Instant,
) -> Outcome<Receipt> {
    let remaining = shop.deadline.saturating_sub(start.elapsed());
    let shop = shop
        .clone()
        .with_deadline(remaining.max(FALLBACK_TIME_MIN))
        .with_injection_point(InjectionPoint::Disabled);
    RowLock.purchase(&shop, request).await.with_cost_of(earlier)
}

/// The least time that the fallback gets, however long the first attempt took.
const FALLBACK_TIME_MIN: Duration = Duration::from_millis(250);

/// A request that has passed the rules that need no lock; its stock is taken next.
#[derive(Debug)]
pub struct Sale {
    pub offer: Offer,
    pub quantity: Quantity,
    pub injection_point: InjectionPoint,
    pub strategy: StrategyKey,
    shop: Shop,
}

impl Sale {
    /// The quantity in the counters' type.
    pub fn units(&self) -> i64 {
        self.quantity.get().into()
    }

    /// Returns whether `row` has enough units.
    ///
    /// # Errors
    /// [`ShopError::StrategyLaneOnly`] if the stock is laid out for another strategy.
    pub fn has_enough(&self, row: &stock::Model) -> Result<bool, Abort> {
        if row.layout != StockLayout::Row.as_str() {
            return Err(ShopError::StrategyLaneOnly(self.strategy.to_string()).into());
        }
        Ok(row.available >= self.units())
    }

    /// Builds the refusal for `available` units, which no other transaction can change now.
    pub fn refuse(&self, available: i64, version: i64) -> Abort {
        refuse(&self.shop, &self.offer, self.quantity, available, version).into()
    }

    /// Reads the row without a lock.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`] if there is no such row.
    pub async fn read(&self, work: &Work) -> Result<stock::Model, Abort> {
        let row = counters::read(work, self.offer.id).await?;
        row.ok_or_else(|| ShopError::UnknownProduct.into())
    }

    /// Reads the row without a lock and compares in the application. The row may change afterwards:
    /// this is how the unsafe strategies begin.
    ///
    /// # Errors
    /// [`ShopError::StrategyUnsafe`] if the row is guarded; [`ShopError::InsufficientStock`],
    /// which is not stored in the sold-out cache.
    pub async fn read_and_compare(&self, work: &Work) -> Result<stock::Model, Abort> {
        let row = self.read(work).await?;
        if !row.unguarded {
            return Err(ShopError::StrategyUnsafe(self.strategy.to_string()).into());
        }
        if row.available < self.units() {
            return Err(insufficient(&self.offer.name, row.available, self.quantity).into());
        }
        Ok(row)
    }

    /// Sells from `row`, which this transaction has locked.
    ///
    /// # Errors
    /// [`ShopError::InsufficientStock`] if the row has too few units.
    pub async fn take_from(&self, work: &Work, row: &stock::Model) -> Result<Level, Abort> {
        if !self.has_enough(row)? {
            return Err(self.refuse(row.available, row.version));
        }
        counters::sell(work, self.offer.id, self.quantity)
            .await?
            .ok_or_else(|| self.refuse(row.available, row.version))
    }

    /// Waits for the row's lock and sells from the row. Every refusal is decided here.
    ///
    /// # Errors
    /// The same as [`Sale::take_from`].
    pub async fn take_under_lock(
        &self,
        work: &Work,
        injection_point: &InjectionPoint,
    ) -> Result<Level, Abort> {
        let row = locks::stock_row(work, self.offer.id)
            .await?
            .ok_or(ShopError::UnknownProduct)?;
        injection_point.run(work).await?;
        self.take_from(work, &row).await
    }
}

/// Refuses `quantity` of an offer whose row is locked, and stores the refusal in the sold-out
/// cache.
pub fn refuse(
    shop: &Shop,
    offer: &Offer,
    quantity: Quantity,
    available: i64,
    version: i64,
) -> ShopError {
    shop.shared.sold_out.store(
        offer.id,
        CachedRefusal {
            product_name: offer.name.clone(),
            available,
            version,
            per_customer_limit: offer.per_customer_limit,
            at: Instant::now(),
        },
    );
    insufficient(&offer.name, available, quantity)
}

/// Checks the rules about an offer that need no lock.
///
/// # Errors
/// The rule's refusal.
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

/// Runs idempotency key, rules, stock, order and key again as one transaction. `take` takes the
/// stock, and is the part that differs between strategies. `take` returns the stock row as it left
/// it, if the layout has a single row.
pub async fn run_in_transaction<F>(
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
        injection_point: shop.injection_point.clone(),
        strategy,
        shop: shop.clone(),
    };
    let level = take(work, &sale).await?;
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
    if let Some(level) = level {
        announce(work, shop, sale.offer.id, level);
    }
    Ok(receipt)
}

/// Publishes the new level after the commit.
pub fn announce(work: &Work, shop: &Shop, product_id: i64, level: Level) {
    let shop = shop.clone();
    work.after_commit(move || publish(&shop, product_id, level));
}

/// Publishes a committed level.
pub fn publish(shop: &Shop, product_id: i64, level: Level) {
    shop.feed.publish(StockChange {
        product_id,
        available: level.available,
        version: level.version,
    });
}
