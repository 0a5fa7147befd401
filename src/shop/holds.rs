//! Holds: stock that is set aside for a cart while its shopper is at the checkout, and for an order while it is being paid.
//!
//! A hold stands until a moment of the database's clock. It ends in one of three ways: sold to its order, given back because the cart
//! or the order no longer wants it, or given back by a sweeper because its time is over. The holds of one cart run out together.

mod fit;
mod standing;

pub use fit::fit;
pub(super) use standing::CartHolds;

use std::collections::BTreeMap;

use sea_orm::{
    DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, SimpleExpr},
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::hold,
        locks,
        txn::{self, Abort, Outcome, TxnError, Work},
    },
    model::{Quantity, ShopError},
    shop::{
        Shop,
        cart::{self, KeyedCart},
        catalog::Offer,
        idempotency::Claim,
        inventory::{
            counters::{self, Shift},
            purchase,
        },
        ledger::{self, Movement, MovementKind},
    },
};

/// Holds that one transaction of the sweeper gives back.
const SWEPT_AT_ONCE: u64 = 100;

/// Why a hold was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Its time was over.
    Expired,
    /// The cart no longer wants it.
    Cart,
    /// Its order came to nothing.
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
}

/// A line of a cart, as it is to be held.
pub type Line = (Offer, Quantity);

impl Shop {
    /// Sets aside all that the cart holds, or nothing: entering the checkout. What is held already stays, and keeps its time.
    ///
    /// Refusals: [`ShopError::CartEmpty`]; [`ShopError::InsufficientStock`] for the first line that is not covered; a closed sale; a reused
    /// key.
    pub async fn reserve_cart(&self, cart_id: Uuid, claim: Option<Claim>) -> Outcome<()> {
        let shop = self.clone();
        let keyed = KeyedCart { cart_id, claim };
        self.write_cart("reserve cart", keyed, move |work| {
            let shop = shop.clone();
            Box::pin(async move {
                let lines = cart::lines(work, cart_id).await?;
                let holds = locks::holds_of_cart(work, cart_id).await?;
                fit(work, &shop, cart_id, holds, &lines).await.map(drop)
            })
        })
        .await
    }

    /// Lets the cart's reservation begin anew, once.
    ///
    /// # Errors
    /// [`ShopError::ReservationGone`] if there is none; [`ShopError::AlreadyExtended`]; or what the database failure means to a shopper.
    pub async fn extend_reservation(
        &self,
        cart_id: Uuid,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        let ttl = self.terms.hold_ttl();
        let keyed = KeyedCart { cart_id, claim };
        self.write_cart("extend reservation", keyed, move |work| {
            Box::pin(async move { extend(work, cart_id, ttl).await })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// Gives back every hold whose time is over. Any number of servers may do it at once. Returns how many there were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn sweep_expired_holds(&self) -> Result<u64, TxnError> {
        let mut swept = 0;
        loop {
            let shop = self.clone();
            let batch =
                txn::run_for_result(&self.db, self.policy("sweep expired holds"), move |work| {
                    let shop = shop.clone();
                    Box::pin(async move { sweep(work, &shop, None).await })
                })
                .await?;
            swept += batch;
            if batch < SWEPT_AT_ONCE {
                return Ok(swept);
            }
        }
    }
}

fn movement(hold: &hold::Model, kind: MovementKind, units: i64) -> Movement {
    Movement {
        order_id: hold.order_id,
        hold_id: Some(hold.id),
        ..Movement::of(hold.product_id, kind, units)
    }
}

/// Gives a batch of those holds back, of one product or of all, whose time is over. Returns how many there were.
///
/// # Errors
/// What the database says.
pub async fn sweep(work: &Work, shop: &Shop, of_product: Option<i64>) -> Result<u64, Abort> {
    let expired = locks::expired_holds(work, of_product, SWEPT_AT_ONCE).await?;
    release(work, shop, &expired, ReleaseReason::Expired).await?;
    Ok(expired.len() as u64)
}

/// Gives `holds`, which are locked, back to the shelf.
///
/// # Errors
/// What the database says.
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
        put_back(work, shop, product_id, units).await?;
    }
    close(work, holds, "released", Some(reason.as_str())).await?;
    let movements: Vec<_> = holds
        .iter()
        .map(|hold| movement(hold, MovementKind::Release, hold.quantity.into()))
        .collect();
    Ok(ledger::append(work, &movements).await?)
}

async fn put_back(work: &Work, shop: &Shop, product_id: i64, units: i64) -> Result<(), Abort> {
    let level = counters::apply(work, product_id, Shift::hold(-units))
        .await?
        .ok_or_else(|| DbErr::RecordNotUpdated)?;
    purchase::announce(work, shop, product_id, level);
    Ok(())
}

/// Marks `holds` as sold. Their units and their movements are the caller's.
///
/// # Errors
/// What the database says.
pub async fn mark_sold(work: &Work, holds: &[hold::Model]) -> Result<(), DbErr> {
    close(work, holds, "sold", None).await
}

async fn close(
    work: &Work,
    holds: &[hold::Model],
    state: &str,
    reason: Option<&str>,
) -> Result<(), DbErr> {
    set(
        work,
        holds,
        &[
            (hold::Column::State, Expr::value(state)),
            (hold::Column::Reason, Expr::value(reason)),
            (hold::Column::ClosedAt, Expr::current_timestamp()),
        ],
    )
    .await
}

/// Hands `holds` to the order that is being paid, or back to the cart.
///
/// # Errors
/// What the database says.
pub async fn hand_over(
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

/// Those holds of a cart whose time is not over by `now`, locked.
pub(super) async fn live_of_cart(
    work: &Work,
    cart_id: Uuid,
    now: OffsetDateTime,
) -> Result<Vec<hold::Model>, DbErr> {
    let mut holds = locks::holds_of_cart(work, cart_id).await?;
    holds.retain(|hold| hold.expires_at > now);
    Ok(holds)
}

async fn extend(work: &Work, cart_id: Uuid, ttl: Duration) -> Result<(), Abort> {
    let now = dialect::now(work.connection()).await?;
    let holds = live_of_cart(work, cart_id, now).await?;
    let first = holds.first().ok_or(ShopError::ReservationGone)?;
    if first.extended {
        return Err(ShopError::AlreadyExtended.into());
    }
    Ok(set(
        work,
        &holds,
        &[
            (hold::Column::ExpiresAt, Expr::value(now + ttl)),
            (hold::Column::Extended, Expr::value(true)),
        ],
    )
    .await?)
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
