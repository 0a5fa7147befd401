//! Making what is held for a cart equal to what it wants.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Line, ReleaseReason, movement, put_back, release};
use crate::{
    db::{
        dialect,
        entity::hold,
        locks,
        txn::{Abort, Work},
    },
    model::{Quantity, ShopError},
    shop::{
        Shop,
        inventory::{hold::Wanted, purchase, strategy},
        ledger::{self, MovementKind},
    },
};

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
