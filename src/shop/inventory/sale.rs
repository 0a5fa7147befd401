//! A sale in progress: a request that has passed the rules that need no lock, and what strategies
//! have in common when they take its stock.

use std::time::Instant;

use super::{
    InjectionPoint, PurchaseRequest,
    counters::{self, Level},
    sold_out::CachedRefusal,
};
use crate::{
    db::{
        entity::stock,
        locks,
        txn::{Abort, Work},
    },
    model::{Quantity, ShopError, StockLayout, StrategyKey, product::insufficient},
    shop::{Shop, catalog::Offer},
};

/// A request that has passed the rules that need no lock; its stock is taken next.
#[derive(Debug)]
pub struct Sale {
    pub offer: Offer,
    pub quantity: Quantity,
    pub injection_point: InjectionPoint,
    pub strategy: StrategyKey,
    pub shop: Shop,
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

    /// Builds the refusal for `available` units that the row had under its lock at the time `at`.
    pub fn refuse_as_at(&self, available: i64, version: i64, at: Instant) -> Abort {
        let level = Level { available, version };
        refuse_as_at(&self.shop, &self.offer, self.quantity, level, at).into()
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
    let level = Level { available, version };
    refuse_as_at(shop, offer, quantity, level, Instant::now())
}

/// The same for a row that was locked at the time `at`.
pub fn refuse_as_at(
    shop: &Shop,
    offer: &Offer,
    quantity: Quantity,
    level: Level,
    at: Instant,
) -> ShopError {
    shop.shared.sold_out.store(
        offer.id,
        CachedRefusal {
            product_name: offer.name.clone(),
            available: level.available,
            version: level.version,
            per_customer_limit: offer.per_customer_limit,
            lane_id: offer.lane_id,
            at,
        },
    );
    insufficient(&offer.name, level.available, quantity)
}

/// Checks the rules about an offer that need no lock.
///
/// # Errors
/// The rule's refusal.
pub fn check_offer(
    offer: &Offer,
    strategy: StrategyKey,
    request: &PurchaseRequest,
) -> Result<(), ShopError> {
    offer.check_buyer(request.lane_id)?;
    if offer.lane_id.is_none() {
        strategy.check_may_sell_in_shop()?;
    }
    offer.check_open()?;
    offer.check_express_limit(request.lane_id, request.quantity.get().into())
}
