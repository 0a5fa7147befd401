//! Holds: stock that is reserved for a cart while its shopper is at the checkout, and for an order
//! while its payment is pending.
//!
//! A hold expires at a time of the database's clock. It ends in one of three ways: it is sold to
//! its order, it is released because the cart or the order no longer needs it, or the sweeper
//! releases it after it expired. All holds of one cart expire at the same time, except that a hold
//! never outlives the sale of its product; see [`sale_end`].

mod cart_holds;
mod limits;
mod reconcile;
pub(super) mod sale_end;

pub(super) use cart_holds::CartHolds;
pub use limits::{HolderAddress, Period, Purpose, admit};
pub use reconcile::reconcile;

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::hold,
        locks,
        retention::{self, ExpiredRows},
        txn::{Abort, Work},
    },
    model::{Quantity, ShopError},
    shop::{
        Shop,
        catalog::Offer,
        inventory::{
            announcement,
            counters::{self, CounterDelta},
        },
        ledger::{self, Movement, MovementKind},
    },
};

/// Maximum number of holds that one transaction of the sweeper releases.
pub(super) const SWEEP_BATCH_SIZE: u64 = 100;
/// The addresses of holds that were closed a day ago: they no longer limit anything.
pub const OLD_ADDRESSES: ExpiredRows = ExpiredRows {
    name: "addresses of closed reservations",
    table: "hold",
    key: "id",
    emptied_column: Some("network"),
    read_key: retention::read_key::<i64>,
    is_expired: |now, age| {
        let is_old = hold::Column::ClosedAt.lt(now - age);
        hold::Column::Network.is_not_null().and(is_old)
    },
    age: Duration::days(1),
};

/// The stored reason of a hold that expired because the sale of its product ended. The shopper does
/// not have to wait for the next reservation.
const SALE_ENDED: &str = "sale ended";

/// Why a hold was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// The hold expired; stored as [`SALE_ENDED`] if it expired because the sale of its product
    /// ended.
    Expired,
    /// The cart no longer needs it.
    Cart,
    /// Its order was declined or cancelled.
    Order,
}

impl ReleaseReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Cart => "cart",
            Self::Order => "order",
        }
    }

    /// The reason to store, as an expression on the hold.
    fn stored(self) -> SimpleExpr {
        match self {
            Self::Expired => Expr::cust(format!(
                "CASE WHEN hold.ends_with_sale THEN '{SALE_ENDED}' ELSE '{}' END",
                self.as_str()
            )),
            Self::Cart | Self::Order => Expr::value(self.as_str()),
        }
    }
}

/// A cart line to reserve.
pub type Line = (Offer, Quantity);

fn movement(hold: &hold::Model, kind: MovementKind, units: i64) -> Movement {
    Movement {
        order_id: hold.order_id,
        hold_id: Some(hold.id),
        ..Movement::of(hold.product_id, kind, units)
    }
}

/// Releases one batch of expired holds, of one product or of all, and returns their number.
pub async fn sweep(work: &Work, shop: &Shop, of_product: Option<i64>) -> Result<u64, Abort> {
    let expired = locks::expired_holds(work, of_product, SWEEP_BATCH_SIZE).await?;
    release(work, shop, &expired, ReleaseReason::Expired).await?;
    Ok(expired.len() as u64)
}

/// Releases `holds` and returns their units to stock. The caller has locked them.
pub async fn release(
    work: &Work,
    shop: &Shop,
    holds: &[hold::Model],
    reason: ReleaseReason,
) -> Result<(), Abort> {
    if holds.is_empty() {
        return Ok(());
    }
    let mut by_product = BTreeMap::<i64, i64>::new();
    for hold in holds {
        *by_product.entry(hold.product_id).or_default() += i64::from(hold.quantity);
    }
    let ids: Vec<i64> = by_product.keys().copied().collect();
    locks::stock_rows(work, &ids).await?;
    for (product_id, units) in by_product {
        return_to_stock(work, shop, product_id, units).await?;
    }
    close(work, holds, "released", reason.stored()).await?;
    let movements: Vec<_> = holds
        .iter()
        .map(|hold| movement(hold, MovementKind::Release, hold.quantity.into()))
        .collect();
    Ok(ledger::append(work, &movements).await?)
}

async fn return_to_stock(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    units: i64,
) -> Result<(), Abort> {
    let level = counters::apply(work, product_id, CounterDelta::hold(-units))
        .await?
        .ok_or_else(|| DbErr::RecordNotUpdated)?;
    announcement::announce_after_commit(work, shop, product_id, level);
    Ok(())
}

/// Marks `holds` as sold. The caller changes the stock counters and writes the movements.
pub async fn mark_sold(work: &Work, holds: &[hold::Model]) -> Result<(), DbErr> {
    close(work, holds, "sold", Expr::value(None::<String>)).await
}

async fn close(
    work: &Work,
    holds: &[hold::Model],
    state: &str,
    reason: SimpleExpr,
) -> Result<(), DbErr> {
    set(
        work,
        holds,
        &[
            (hold::Column::State, Expr::value(state)),
            (hold::Column::Reason, reason),
            (hold::Column::ClosedAt, Expr::current_timestamp()),
        ],
    )
    .await
}

/// Assigns `holds` to an order with a pending payment, or back to the cart if `order_id` is `None`.
pub async fn assign_to_order(
    work: &Work,
    holds: &[hold::Model],
    order_id: Option<i64>,
) -> Result<(), DbErr> {
    set(
        work,
        holds,
        &[(hold::Column::OrderId, Expr::value(order_id))],
    )
    .await
}

/// Returns the holds of a cart that belong to no order, without a lock. While the cart is locked,
/// no hold is added to them.
pub(super) async fn of_cart(work: &Work, cart_id: Uuid) -> Result<Vec<hold::Model>, DbErr> {
    hold::Entity::find()
        .filter(hold::Column::CartId.eq(cart_id))
        .filter(hold::Column::State.eq("held"))
        .filter(hold::Column::OrderId.is_null())
        .all(work.connection())
        .await
}

/// Locks and returns the holds of a cart that have not expired by `now`.
pub(super) async fn live_of_cart(
    work: &Work,
    cart_id: Uuid,
    now: OffsetDateTime,
) -> Result<Vec<hold::Model>, DbErr> {
    let mut holds = locks::holds_of_cart(work, cart_id).await?;
    holds.retain(|hold| hold.expires_at > now);
    Ok(holds)
}

/// Lets the holds of a cart expire `ttl` from now, or when the sale of their product ends: once per
/// reservation, and for a shopper with limits once until they have paid.
///
/// # Errors
/// [`ShopError::ReservationExpired`] without live holds; [`ShopError::AlreadyExtended`];
/// [`ShopError::InvalidState`] if all holds end with their sales.
pub(super) async fn extend(work: &Work, cart_id: Uuid, ttl: Duration) -> Result<(), Abort> {
    let now = dialect::now(work.connection()).await?;
    let holds = live_of_cart(work, cart_id, now).await?;
    let first = holds.first().ok_or(ShopError::ReservationExpired)?;
    let rows = limits::rows_of_cart(work, cart_id, now).await?;
    if first.extended || limits::extension_is_used(&rows, now) {
        return Err(ShopError::AlreadyExtended.into());
    }
    let until = now + ttl;
    let by_end = sale_end::by_end(work, holds, until).await?;
    let is_later = |(ends_at, holds): (&OffsetDateTime, &Vec<hold::Model>)| {
        holds.iter().any(|hold| hold.expires_at < *ends_at)
    };
    if !by_end.iter().any(is_later) {
        return Err(ShopError::InvalidState(
            "Your reservation ends with the sale and cannot be extended. Pay before it ends."
                .to_owned(),
        )
        .into());
    }
    for (ends_at, of_one_end) in by_end {
        set(
            work,
            &of_one_end,
            &[
                (hold::Column::ExpiresAt, Expr::value(ends_at)),
                (hold::Column::EndsWithSale, Expr::value(ends_at < until)),
                (hold::Column::Extended, Expr::value(true)),
            ],
        )
        .await?;
    }
    Ok(())
}

async fn set(
    work: &Work,
    holds: &[hold::Model],
    values: &[(hold::Column, SimpleExpr)],
) -> Result<(), DbErr> {
    let ids: Vec<i64> = holds.iter().map(|hold| hold.id).collect();
    let mut update = hold::Entity::update_many().filter(dialect::column_in(hold::Column::Id, &ids));
    for (column, value) in values {
        update = update.col_expr(*column, value.clone());
    }
    update.exec(work.connection()).await.map(drop)
}
