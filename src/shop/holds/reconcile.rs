//! Makes a cart's holds match its lines.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Line, ReleaseReason,
    limits::Period,
    movement, release, return_to_stock,
    sale_end::{earlier, full_end},
};
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
        catalog::{self, Offer},
        inventory::{announcement, hold::HoldRequest, strategies},
        ledger::{self, MovementKind},
    },
};

/// Makes the cart's holds match `lines`: releases expired holds and excess units, and reserves
/// missing units. `holds` are the cart's holds, which the caller has locked; `admitted` is the time
/// of a new reservation, from [`super::admit`]. Returns the cart's holds after the change.
///
/// # Errors
/// [`ShopError::InsufficientStock`] if the available stock does not cover the missing units;
/// [`ShopError::SaleNotStarted`] or [`ShopError::SaleEnded`] if the sale of a missing product was
/// changed since `lines` were read.
pub async fn reconcile(
    work: &Work,
    shop: &Shop,
    cart_id: Uuid,
    holds: Vec<hold::Model>,
    lines: &[Line],
    admitted: Option<Period>,
) -> Result<Vec<hold::Model>, Abort> {
    let now = dialect::now(work.connection()).await?;
    let is_needed = |hold: &hold::Model| lines.iter().any(|(offer, _)| offer.id == hold.product_id);
    let (live, expired): (Vec<_>, Vec<_>) =
        holds.into_iter().partition(|hold| hold.expires_at > now);
    let (mut kept, unneeded): (Vec<_>, Vec<_>) = live.into_iter().partition(is_needed);
    let releases_stock = !expired.is_empty()
        || !unneeded.is_empty()
        || kept
            .iter()
            .any(|hold| requested_units(lines, hold.product_id) < hold.quantity.into());
    if releases_stock {
        // Releasing and reserving lock rows of the same table. All rows are locked in id order
        // here, or two carts could deadlock.
        let others = expired.iter().chain(&unneeded).map(|hold| hold.product_id);
        let ids: Vec<i64> = lines
            .iter()
            .map(|(offer, _)| offer.id)
            .chain(others)
            .collect();
        locks::stock_rows(work, &ids).await?;
    }
    release(work, shop, &expired, ReleaseReason::Expired).await?;
    release(work, shop, &unneeded, ReleaseReason::Cart).await?;
    // The hold that lasts longest: the others may end earlier with their sales.
    let longest = kept.iter().max_by_key(|hold| hold.expires_at);
    let period = match (longest, admitted) {
        (Some(longest), _) => Period {
            began_at: longest.reserved_at,
            ends_at: full_end(shop, longest),
            extended: longest.extended,
        },
        (None, Some(admitted)) => admitted,
        (None, None) => Period {
            began_at: None,
            ends_at: now + shop.terms.hold_ttl(),
            extended: false,
        },
    };
    for hold in &mut kept {
        shrink(work, shop, hold, requested_units(lines, hold.product_id)).await?;
    }
    let missing = missing_units(lines, &kept);
    reserve(work, shop, &missing, releases_stock).await?;
    let offers = offers_now(work, &missing).await?;
    for request in missing {
        let offer = offers
            .iter()
            .find(|offer| offer.id == request.product_id)
            .ok_or(ShopError::UnknownProduct)?;
        match kept
            .iter_mut()
            .find(|hold| hold.product_id == request.product_id)
        {
            Some(hold) => grow(work, hold, request.more).await?,
            None => {
                let unit_price = shown_price(lines, request.product_id);
                let sale_end = offer.sale_ends_at;
                let row = new_hold(shop, cart_id, &request, period, sale_end, unit_price)?;
                let hold = row.insert(work.connection()).await?;
                record(work, &hold, MovementKind::Hold, request.more).await?;
                kept.push(hold);
            }
        }
    }
    Ok(kept)
}

fn requested_units(lines: &[Line], product_id: i64) -> i64 {
    let line = lines.iter().find(|(offer, _)| offer.id == product_id);
    line.map_or(0, |(_, quantity)| i64::from(quantity.get()))
}

/// Returns the units of `lines` that `kept` does not cover, ordered by product id.
fn missing_units(lines: &[Line], kept: &[hold::Model]) -> Vec<HoldRequest> {
    let mut missing: Vec<_> = lines
        .iter()
        .filter_map(|(offer, quantity)| {
            let of_product = kept.iter().find(|hold| hold.product_id == offer.id);
            let held = of_product.map_or(0, |hold| i64::from(hold.quantity));
            let more = i64::from(quantity.get()) - held;
            (more > 0).then(|| HoldRequest {
                product_id: offer.id,
                product_name: offer.name.clone(),
                more,
                held,
            })
        })
        .collect();
    missing.sort_by_key(|request| request.product_id);
    missing
}

async fn reserve(
    work: &Work,
    shop: &Shop,
    requests: &[HoldRequest],
    rows_are_locked: bool,
) -> Result<(), Abort> {
    if requests.is_empty() {
        return Ok(());
    }
    let strategy = strategies::holding(shop.terms.strategy);
    let injection_point = &shop.injection_point;
    let levels = if rows_are_locked {
        strategy.hold_locked(shop, work, injection_point, requests)
    } else {
        strategy.hold(shop, work, injection_point, requests)
    };
    let levels = levels.await?;
    for (request, level) in requests.iter().zip(levels) {
        announcement::announce_after_commit(work, shop, request.product_id, level);
    }
    Ok(())
}

/// Reads the offers of what was just reserved, by the clock as it is now: the transaction may have
/// waited for the stock rows while a sale ended or its plan was changed.
async fn offers_now(work: &Work, requests: &[HoldRequest]) -> Result<Vec<Offer>, Abort> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = requests.iter().map(|request| request.product_id).collect();
    let offers = catalog::offers_now(work, &ids).await?;
    for offer in &offers {
        offer.check_open()?;
    }
    Ok(offers)
}

/// The price of a unit, in cents, at which the shopper reserves.
fn shown_price(lines: &[Line], product_id: i64) -> Option<i64> {
    let line = lines.iter().find(|(offer, _)| offer.id == product_id);
    line.map(|(offer, _)| offer.price.cents)
}

fn new_hold(
    shop: &Shop,
    cart_id: Uuid,
    request: &HoldRequest,
    period: Period,
    sale_end: Option<OffsetDateTime>,
    unit_price_cents: Option<i64>,
) -> Result<hold::ActiveModel, ShopError> {
    let holder = shop.holder.as_ref();
    let expires_at = earlier(period.ends_at, sale_end);
    Ok(hold::ActiveModel {
        id: NotSet,
        cart_id: Set(Some(cart_id)),
        order_id: NotSet,
        product_id: Set(request.product_id),
        quantity: Set(Quantity::new(request.more)?.get().cast_signed()),
        state: Set("held".to_owned()),
        reason: NotSet,
        extended: Set(period.extended),
        expires_at: Set(expires_at),
        created_at: NotSet,
        closed_at: NotSet,
        network: holder.map_or(NotSet, |holder| Set(Some(holder.as_str().to_owned()))),
        reserved_at: match period.began_at {
            None => NotSet,
            began_at => Set(began_at),
        },
        unit_price_cents: Set(unit_price_cents),
        ends_with_sale: Set(expires_at < period.ends_at),
    })
}

async fn grow(work: &Work, hold: &mut hold::Model, more: i64) -> Result<(), Abort> {
    set_quantity(work, hold, i64::from(hold.quantity) + more).await?;
    Ok(record(work, hold, MovementKind::Hold, more).await?)
}

/// Releases the units of a hold beyond `units`, which is above zero.
async fn shrink(work: &Work, shop: &Shop, hold: &mut hold::Model, units: i64) -> Result<(), Abort> {
    let less = i64::from(hold.quantity) - units;
    if less <= 0 {
        return Ok(());
    }
    return_to_stock(work, shop, hold.product_id, less).await?;
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
