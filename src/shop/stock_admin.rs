//! Stock administration: receiving units and stock-takes.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{
    Shop, backorders, catalog,
    idempotency::{self, Claim},
    inventory::{
        announcement,
        counters::{self, CounterDelta},
    },
    ledger::{self, Movement, MovementKind},
};
use crate::{
    db::{
        locks,
        txn::{self, Abort, Work},
    },
    model::{Quantity, ShopError},
};

/// Maximum length of a stock-take's reason, in characters.
const REASON_LEN_MAX: usize = 200;
/// Further backorders that do not begin within this time after a receipt are left to the next round
/// of a server process: the administrator waits for the response.
const FULFILL_MAX: Duration = Duration::from_millis(500);
/// Maximum number of units that a stock-take can count.
pub const COUNT_MAX: i64 = 1_000_000;

/// Changes stock for an administrator; see [`Shop::stock_administration`].
#[derive(Clone, Copy, Debug)]
pub struct StockAdministration<'a> {
    pub(super) shop: &'a Shop,
}

impl StockAdministration<'_> {
    /// Receives `quantity` new units, and sells them to the oldest backorders in the same
    /// transaction, then to further ones in transactions of their own. Those that take too long are
    /// left to the next round of a server process. Applied once per key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; [`ShopError::IdempotencyKeyReused`].
    pub async fn receive(
        self,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        self.change_stock("receive stock", claim, move |work, shop| {
            Box::pin(receive(work, shop, product_id, quantity))
        })
        .await?;
        let backorders = self.shop.backorders();
        let further = backorders.fulfill_of_product(product_id, FULFILL_MAX).await;
        if let Err(error) = further {
            tracing::warn!(%error, product_id, "could not fulfil backorders; it will be retried");
        }
        Ok(())
    }

    /// Adjusts the recorded stock to a physical count. The count includes units in holds. Applied
    /// once per key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; [`ShopError::FieldsInvalid`] without a reason or for a count
    /// out of range; [`ShopError::InvalidState`] for a count below the reserved units;
    /// [`ShopError::IdempotencyKeyReused`].
    pub async fn record_count(
        self,
        product_id: i64,
        counted: i64,
        reason: &str,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        let reason = reason.trim().to_owned();
        if reason.is_empty()
            || reason.chars().count() > REASON_LEN_MAX
            || reason.chars().any(char::is_control)
        {
            return Err(ShopError::field_invalid(
                "reason",
                "Enter a reason of at most 200 characters.",
            ));
        }
        if !(0..=COUNT_MAX).contains(&counted) {
            return Err(ShopError::field_invalid(
                "counted",
                "Enter a whole number from 0 to 1,000,000.",
            ));
        }
        self.change_stock("stock-take", claim, move |work, shop| {
            let reason = reason.clone();
            Box::pin(async move { adjust(work, shop, product_id, counted, reason).await })
        })
        .await
    }

    async fn change_stock<F>(
        self,
        name: &'static str,
        claim: Option<Claim>,
        body: F,
    ) -> Result<(), ShopError>
    where
        F: for<'w> Fn(&'w Work, &'w Shop) -> BoxFuture<'w, Result<(), Abort>>
            + Send
            + Sync
            + 'static,
    {
        let shop = self.shop.clone();
        let body = Arc::new(body);
        txn::run_for_result(&self.shop.db, self.shop.policy(name), move |work| {
            let (shop, claim, body) = (shop.clone(), claim.clone(), Arc::clone(&body));
            Box::pin(async move {
                if idempotency::claim::<()>(work, claim.as_ref())
                    .await?
                    .is_some()
                {
                    return Ok(());
                }
                body(work, &shop).await?;
                idempotency::record(work, claim.as_ref(), &()).await
            })
        })
        .await
        .map_err(ShopError::from)
    }
}

async fn receive(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    check_shop_product(work, product_id).await?;
    let units = i64::from(quantity.get());
    let ids = backorders::oldest_of_product(work, product_id).await?;
    let backorders = backorders::lock(work, &ids).await?;
    backorders::lock_stock(work, &backorders, Some(product_id)).await?;
    change_total(work, shop, product_id, units, MovementKind::Receive, None).await?;
    backorders::fulfill(work, shop, &backorders).await.map(drop)
}

async fn adjust(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    counted: i64,
    reason: String,
) -> Result<(), Abort> {
    check_shop_product(work, product_id).await?;
    let row = locks::stock_row(work, product_id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    if counted < row.reserved {
        return Err(ShopError::InvalidState(format!(
            "{} units are reserved for customers at checkout. Count again after their reservations expire, or cancel their orders.",
            row.reserved
        ))
        .into());
    }
    let difference = counted - (row.available + row.reserved);
    if difference == 0 {
        return Ok(());
    }
    change_total(
        work,
        shop,
        product_id,
        difference,
        MovementKind::Adjust,
        Some(reason),
    )
    .await
}

async fn check_shop_product(work: &Work, product_id: i64) -> Result<(), Abort> {
    let offer = catalog::offer(work, product_id).await?;
    match offer.lane_id {
        None => Ok(()),
        Some(_) => Err(ShopError::UnknownProduct.into()),
    }
}

async fn change_total(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    units: i64,
    kind: MovementKind,
    reason: Option<String>,
) -> Result<(), Abort> {
    let level = counters::apply(work, product_id, CounterDelta::receive(units))
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    announcement::announce_after_commit(work, shop, product_id, level);
    let movement = Movement {
        reason,
        ..Movement::of(product_id, kind, units)
    };
    Ok(ledger::append(work, &[movement]).await?)
}
