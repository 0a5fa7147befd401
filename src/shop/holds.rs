//! Holds: stock that is set aside for a cart while its shopper is at the checkout, and for an order while it is being paid.
//!
//! A hold stands until a moment of the database's clock. It ends in one of three ways: sold to its order, given back because the cart
//! or the order no longer wants it, or given back by a sweeper because its time is over. The holds of one cart run out together.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, SimpleExpr},
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::{hold, product},
        locks,
        txn::{self, Abort, Outcome, TxnError, Work},
    },
    model::{Quantity, ReleasedLine, Reservation, ShopError},
    shop::{
        Shop,
        cart::{self, KeyedCart},
        catalog::{self, Offer},
        idempotency::Claim,
        inventory::{
            counters::{self, Shift},
            hold::Wanted,
            purchase, strategy,
        },
        ledger::{self, Movement, MovementKind},
    },
};

/// Holds that one transaction of the sweeper gives back.
const SWEPT_AT_ONCE: u64 = 100;
/// How long a shopper is told what their expired reservation gave back.
const RELEASE_TOLD_FOR: Duration = Duration::days(1);

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

    /// What stands behind a cart: its reservation with the units of each product, and what the last one gave back.
    pub(super) async fn standing_of(&self, cart_id: Uuid) -> Result<CartHolds, ShopError> {
        let reader = self.db.reader();
        let now = dialect::now(reader).await.map_err(txn::read_error)?;
        let rows = hold::Entity::find()
            .filter(hold::Column::CartId.eq(cart_id))
            .filter(hold::Column::ExpiresAt.gt(now - RELEASE_TOLD_FOR))
            .order_by_asc(hold::Column::Id)
            .all(reader)
            .await
            .map_err(txn::read_error)?;
        let live: Vec<_> = rows.iter().filter(|row| is_live(row, now)).collect();
        let reservation = live.first().map(|first| Reservation {
            ends_at: catalog::time_in_utc(first.expires_at),
            seconds_left: seconds(first.expires_at - now).max(1),
            ttl_s: self.terms.hold_ttl_s,
            extended: first.extended,
        });
        let released = if reservation.is_none() {
            self.released_last(&rows, now).await?
        } else {
            Vec::new()
        };
        Ok(CartHolds {
            reservation,
            units: live
                .iter()
                .map(|row| (row.product_id, i64::from(row.quantity)))
                .collect(),
            released,
        })
    }

    /// The newest holds of a cart, if they ran out.
    async fn released_last(
        &self,
        rows: &[hold::Model],
        now: OffsetDateTime,
    ) -> Result<Vec<ReleasedLine>, ShopError> {
        let Some(newest) = rows.last() else {
            return Ok(Vec::new());
        };
        let ran_out: Vec<_> = rows
            .iter()
            .filter(|row| row.order_id.is_none() && row.expires_at == newest.expires_at)
            .filter(|row| is_expired(row, now))
            .collect();
        let ids: Vec<i64> = ran_out.iter().map(|row| row.product_id).collect();
        let products = product::Entity::find()
            .filter(dialect::column_in(product::Column::Id, &ids))
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        let name_of = |id| {
            let product = products.iter().find(|product| product.id == id);
            product
                .map(|product| product.name.clone())
                .unwrap_or_default()
        };
        Ok(ran_out
            .iter()
            .map(|row| ReleasedLine {
                product_name: name_of(row.product_id),
                quantity: row.quantity.into(),
            })
            .collect())
    }
}

/// What stands behind a cart.
#[derive(Debug, Default)]
pub(super) struct CartHolds {
    pub reservation: Option<Reservation>,
    /// Units held, by product id.
    pub units: BTreeMap<i64, i64>,
    pub released: Vec<ReleasedLine>,
}

fn is_live(row: &hold::Model, now: OffsetDateTime) -> bool {
    row.state == "held" && row.order_id.is_none() && row.expires_at > now
}

/// Also before a sweeper came by.
fn is_expired(row: &hold::Model, now: OffsetDateTime) -> bool {
    match row.state.as_str() {
        "held" => row.expires_at <= now,
        "released" => row.reason.as_deref() == Some(ReleaseReason::Expired.as_str()),
        _ => false,
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.whole_seconds()).unwrap_or(0)
}

/// Makes what is held for the cart equal to `lines`: gives back what is too much or too old, and sets aside what is missing. `holds` are
/// the cart's, locked. Returns those that stand now.
///
/// # Errors
/// [`ShopError::InsufficientStock`]; what the database says.
pub async fn fit(
    work: &Work,
    shop: &Shop,
    cart_id: Uuid,
    holds: Vec<hold::Model>,
    lines: &[Line],
) -> Result<Vec<hold::Model>, Abort> {
    let now = dialect::now(work.connection()).await?;
    let is_wanted = |hold: &hold::Model| lines.iter().any(|(offer, _)| offer.id == hold.product_id);
    let (live, expired): (Vec<_>, Vec<_>) =
        holds.into_iter().partition(|hold| hold.expires_at > now);
    let (mut kept, unwanted): (Vec<_>, Vec<_>) = live.into_iter().partition(is_wanted);
    let gives_back = !expired.is_empty()
        || !unwanted.is_empty()
        || kept
            .iter()
            .any(|hold| units_wanted(lines, hold.product_id) < hold.quantity.into());
    if gives_back {
        // What is given back and what is taken are rows of the same table: all of them in one order, or two carts could deadlock.
        let others = expired.iter().chain(&unwanted).map(|hold| hold.product_id);
        let ids: Vec<i64> = lines
            .iter()
            .map(|(offer, _)| offer.id)
            .chain(others)
            .collect();
        locks::stock_rows(work, &ids).await?;
    }
    release(work, shop, &expired, ReleaseReason::Expired).await?;
    release(work, shop, &unwanted, ReleaseReason::Cart).await?;
    let (expires_at, extended) = match kept.first() {
        Some(first) => (first.expires_at, first.extended),
        None => (now + shop.terms.hold_ttl(), false),
    };
    for hold in &mut kept {
        shrink(work, shop, hold, units_wanted(lines, hold.product_id)).await?;
    }
    let wanted = missing(lines, &kept);
    take(work, shop, &wanted).await?;
    for wanted in wanted {
        match kept
            .iter_mut()
            .find(|hold| hold.product_id == wanted.product_id)
        {
            Some(hold) => grow(work, hold, wanted.more).await?,
            None => {
                let row = new_hold(cart_id, &wanted, expires_at, extended)?;
                let hold = row.insert(work.connection()).await?;
                record(work, &hold, MovementKind::Hold, wanted.more).await?;
                kept.push(hold);
            }
        }
    }
    Ok(kept)
}

fn units_wanted(lines: &[Line], product_id: i64) -> i64 {
    let line = lines.iter().find(|(offer, _)| offer.id == product_id);
    line.map_or(0, |(_, quantity)| i64::from(quantity.get()))
}

/// What `lines` want beyond `kept`, in id order.
fn missing(lines: &[Line], kept: &[hold::Model]) -> Vec<Wanted> {
    let mut wanted: Vec<_> = lines
        .iter()
        .filter_map(|(offer, quantity)| {
            let of_product = kept.iter().find(|hold| hold.product_id == offer.id);
            let held = of_product.map_or(0, |hold| i64::from(hold.quantity));
            let more = i64::from(quantity.get()) - held;
            (more > 0).then(|| Wanted {
                product_id: offer.id,
                product_name: offer.name.clone(),
                more,
                held,
            })
        })
        .collect();
    wanted.sort_by_key(|wanted| wanted.product_id);
    wanted
}

async fn take(work: &Work, shop: &Shop, wanted: &[Wanted]) -> Result<(), Abort> {
    if wanted.is_empty() {
        return Ok(());
    }
    let strategy = strategy::holding(shop.terms.strategy);
    let levels = strategy.hold(work, &shop.seam, wanted).await?;
    for (wanted, level) in wanted.iter().zip(levels) {
        purchase::announce(work, shop, wanted.product_id, level);
    }
    Ok(())
}

fn new_hold(
    cart_id: Uuid,
    wanted: &Wanted,
    expires_at: OffsetDateTime,
    extended: bool,
) -> Result<hold::ActiveModel, ShopError> {
    Ok(hold::ActiveModel {
        id: NotSet,
        cart_id: Set(Some(cart_id)),
        order_id: NotSet,
        product_id: Set(wanted.product_id),
        quantity: Set(Quantity::new(wanted.more)?.get().cast_signed()),
        state: Set("held".to_owned()),
        reason: NotSet,
        extended: Set(extended),
        expires_at: Set(expires_at),
        created_at: NotSet,
        closed_at: NotSet,
    })
}

async fn grow(work: &Work, hold: &mut hold::Model, more: i64) -> Result<(), Abort> {
    set_quantity(work, hold, i64::from(hold.quantity) + more).await?;
    Ok(record(work, hold, MovementKind::Hold, more).await?)
}

/// Gives back what a hold has beyond `units`, which is above zero.
async fn shrink(work: &Work, shop: &Shop, hold: &mut hold::Model, units: i64) -> Result<(), Abort> {
    let less = i64::from(hold.quantity) - units;
    if less <= 0 {
        return Ok(());
    }
    put_back(work, shop, hold.product_id, less).await?;
    set_quantity(work, hold, units).await?;
    Ok(record(work, hold, MovementKind::Release, less).await?)
}

async fn set_quantity(work: &Work, hold: &mut hold::Model, units: i64) -> Result<(), Abort> {
    hold.quantity = Quantity::new(units)?.get().cast_signed();
    hold::Entity::update_many()
        .col_expr(hold::Column::Quantity, Expr::value(hold.quantity))
        .filter(hold::Column::Id.eq(hold.id))
        .exec(work.connection())
        .await?;
    Ok(())
}

async fn record(
    work: &Work,
    hold: &hold::Model,
    kind: MovementKind,
    units: i64,
) -> Result<(), DbErr> {
    ledger::append(work, &[movement(hold, kind, units)]).await
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

async fn extend(work: &Work, cart_id: Uuid, ttl: Duration) -> Result<(), Abort> {
    let now = dialect::now(work.connection()).await?;
    let holds: Vec<_> = locks::holds_of_cart(work, cart_id)
        .await?
        .into_iter()
        .filter(|hold| hold.expires_at > now)
        .collect();
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
