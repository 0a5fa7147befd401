//! Plans, opens and ends sales.
//!
//! Each change is one transaction: it locks the product's holds and its stock row, so that no
//! reservation is in flight, writes the product and its history, and lets live holds end with the
//! sale. A purchase that has read the old plan and waits for the stock row is a purchase before
//! the change.

use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{
    history,
    new_plan::{NewPlan, SaleRow},
};
use crate::{
    db::{
        dialect,
        entity::product,
        txn::{self, Abort, Work},
    },
    model::{SalePlan, SaleState, ShopError, StockCounts},
    shop::{
        Shop,
        administrator::Actor,
        catalog,
        holds::sale_end,
        idempotency::{self, Claim},
        inventory::counters,
        moment,
    },
};

/// Changes sales for an administrator; see [`Shop::sale_administration`].
#[derive(Clone, Copy, Debug)]
pub struct SaleAdministration<'a> {
    pub(in crate::shop) shop: &'a Shop,
    pub(in crate::shop) actor: Actor,
}

/// The sale of a product after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleReport {
    pub product: String,
    pub slug: String,
    pub plan: SalePlan,
    pub state: SaleState,
    /// True if the plan's start is not in the future: the sale opened at once.
    pub has_started: bool,
    /// Reservations that now end earlier, with the sale.
    pub shortened: u64,
}

/// What to do with a sale.
#[derive(Clone, Debug)]
enum Change {
    Plan {
        plan: NewPlan,
        /// The last change that the administrator has seen; `None` if that does not matter.
        seen: Option<i64>,
    },
    OpenNow,
    EndNow,
}

impl Change {
    fn applied_to(&self, row: &product::Model, now: OffsetDateTime) -> Result<SaleRow, ShopError> {
        match self {
            Self::Plan { plan, .. } => plan.applied_to(row, now),
            Self::OpenNow => Ok(opened(SaleRow::of(row), now)),
            Self::EndNow => Ok(ended(SaleRow::of(row), now)),
        }
    }
}

/// Lets the sale start at `now`, unless it is open. A sale that had ended has no end again.
fn opened(sale: SaleRow, now: OffsetDateTime) -> SaleRow {
    let has_ended = sale.ends_at.is_some_and(|end| end <= now);
    let is_announced = sale.starts_at.is_some_and(|start| start > now);
    if !has_ended && !is_announced {
        return sale;
    }
    SaleRow {
        starts_at: Some(now),
        ends_at: sale.ends_at.filter(|end| *end > now),
        ..sale
    }
}

/// Lets the sale end at `now`, unless it has ended. A sale that had not started has no start any
/// more.
fn ended(sale: SaleRow, now: OffsetDateTime) -> SaleRow {
    if sale.ends_at.is_some_and(|end| end <= now) {
        return sale;
    }
    let starts_at = sale.starts_at.filter(|start| *start <= now);
    // An end is after its start, also if the sale was opened in the same millisecond.
    let earliest = starts_at.map(|start| start + Duration::MILLISECOND);
    SaleRow {
        starts_at,
        ends_at: Some(earliest.map_or(now, |earliest| earliest.max(now))),
        ..sale
    }
}

impl SaleAdministration<'_> {
    /// Plans the sale of a product. Applied once per key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; [`ShopError::FieldsInvalid`] for an end that is not after
    /// the start or has passed, a price or a limit that is not above zero, or a comparison price
    /// that is not above the price; [`ShopError::IdempotencyKeyReused`].
    pub async fn plan(
        self,
        product_id: i64,
        plan: NewPlan,
        claim: Option<Claim>,
    ) -> Result<SaleReport, ShopError> {
        let change = Change::Plan { plan, seen: None };
        self.change(product_id, change, claim).await
    }

    /// The same for an administrator who has seen the sale as the change `seen` left it, 0 if it
    /// was never changed. A form that was opened before a colleague ended the sale does not open
    /// it again.
    ///
    /// # Errors
    /// The errors of [`SaleAdministration::plan`]; [`ShopError::InvalidState`] if the sale was
    /// changed after `seen`.
    pub async fn plan_as_seen(
        self,
        product_id: i64,
        plan: NewPlan,
        seen: i64,
        claim: Option<Claim>,
    ) -> Result<SaleReport, ShopError> {
        let seen = Some(seen);
        self.change(product_id, Change::Plan { plan, seen }, claim)
            .await
    }

    /// Opens the sale of a product now; an open sale stays as it is. Applied once per key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; [`ShopError::IdempotencyKeyReused`].
    pub async fn open_now(
        self,
        product_id: i64,
        claim: Option<Claim>,
    ) -> Result<SaleReport, ShopError> {
        self.change(product_id, Change::OpenNow, claim).await
    }

    /// Ends the sale of a product now; a sale that has ended stays as it is. Reservations end with
    /// it, payments in flight do not. Applied once per key.
    ///
    /// # Errors
    /// The errors of [`SaleAdministration::open_now`].
    pub async fn end_now(
        self,
        product_id: i64,
        claim: Option<Claim>,
    ) -> Result<SaleReport, ShopError> {
        self.change(product_id, Change::EndNow, claim).await
    }

    async fn change(
        self,
        product_id: i64,
        change: Change,
        claim: Option<Claim>,
    ) -> Result<SaleReport, ShopError> {
        let (actor, change) = (self.actor, Arc::new(change));
        let report = txn::run_for_result(
            &self.shop.db,
            self.shop.policy("change sale"),
            move |work| {
                let (change, claim) = (Arc::clone(&change), claim.clone());
                Box::pin(async move {
                    let known = idempotency::claim::<SaleReport>(work, claim.as_ref()).await?;
                    if let Some(report) = known {
                        return Ok(report);
                    }
                    let report = apply(work, product_id, &change, actor).await?;
                    idempotency::record(work, claim.as_ref(), &report).await?;
                    Ok(report)
                })
            },
        )
        .await?;
        self.shop.feed.announce_product(product_id);
        Ok(report)
    }
}

async fn apply(
    work: &Work,
    product_id: i64,
    change: &Change,
    actor: Actor,
) -> Result<SaleReport, Abort> {
    let holds = sale_end::lock(work, product_id).await?;
    let row = product::Entity::find_by_id(product_id)
        .filter(product::Column::LaneId.is_null())
        .one(work.connection())
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    if let Change::Plan {
        seen: Some(seen), ..
    } = change
    {
        history::check_seen(work, product_id, *seen).await?;
    }
    // The transaction may have waited for the locks: the clock as it is now decides.
    let now_ms = moment::as_ms(dialect::clock_now(work.connection()).await?);
    let now = moment::from_ms(now_ms);
    let sale = change.applied_to(&row, now)?;
    let changes = SaleRow::of(&row).changes_to(&sale);
    let mut shortened = 0;
    if !changes.is_empty() {
        write(work, product_id, &sale).await?;
        history::append(work, product_id, actor, now, changes).await?;
        if let Some(ends_at) = sale.ends_at {
            shortened = sale_end::shorten(work, &holds, ends_at).await? as u64;
        }
    }
    let plan = catalog::plan(sale.starts_at, sale.ends_at);
    let stock = counters::read(work, product_id).await?;
    let counts = stock.map_or_else(StockCounts::default, |stock| StockCounts {
        available: stock.available,
        reserved: stock.reserved,
        sold: stock.sold,
        total: stock.total,
    });
    Ok(SaleReport {
        product: row.name,
        slug: row.slug,
        plan,
        state: plan.state_at(now_ms, counts),
        has_started: plan.has_started_at(now_ms),
        shortened,
    })
}

async fn write(work: &Work, product_id: i64, sale: &SaleRow) -> Result<(), Abort> {
    product::Entity::update_many()
        .col_expr(product::Column::SaleStartsAt, Expr::value(sale.starts_at))
        .col_expr(product::Column::SaleEndsAt, Expr::value(sale.ends_at))
        .col_expr(product::Column::PriceCents, Expr::value(sale.price_cents))
        .col_expr(
            product::Column::CompareAtCents,
            Expr::value(sale.compare_at_cents),
        )
        .col_expr(
            product::Column::PerCustomerLimit,
            Expr::value(sale.per_customer_limit),
        )
        .filter(product::Column::Id.eq(product_id))
        .exec(work.connection())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-12-12 12:12:00 UTC);

    fn sale(starts_at: Option<OffsetDateTime>, ends_at: Option<OffsetDateTime>) -> SaleRow {
        SaleRow {
            starts_at,
            ends_at,
            price_cents: 1_000,
            compare_at_cents: None,
            per_customer_limit: None,
        }
    }

    #[test]
    fn a_sale_opens_now_unless_it_is_open() {
        let (before, after) = (NOW - Duration::HOUR, NOW + Duration::HOUR);
        for (current, expected) in [
            (sale(None, None), sale(None, None)),
            (
                sale(Some(before), Some(after)),
                sale(Some(before), Some(after)),
            ),
            (sale(Some(after), None), sale(Some(NOW), None)),
            (
                sale(Some(after), Some(after + Duration::HOUR)),
                sale(Some(NOW), Some(after + Duration::HOUR)),
            ),
            (sale(Some(before), Some(NOW)), sale(Some(NOW), None)),
            (sale(None, Some(before)), sale(Some(NOW), None)),
        ] {
            assert_eq!(opened(current, NOW), expected);
        }
    }

    #[test]
    fn a_sale_ends_now_unless_it_has_ended() {
        let (before, after) = (NOW - Duration::HOUR, NOW + Duration::HOUR);
        for (current, expected) in [
            (sale(None, None), sale(None, Some(NOW))),
            (
                sale(Some(before), Some(after)),
                sale(Some(before), Some(NOW)),
            ),
            (sale(None, Some(before)), sale(None, Some(before))),
            (sale(Some(after), None), sale(None, Some(NOW))),
            (
                sale(Some(NOW), None),
                sale(Some(NOW), Some(NOW + Duration::MILLISECOND)),
            ),
        ] {
            assert_eq!(ended(current, NOW), expected);
        }
    }
}
