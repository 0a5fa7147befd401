//! Cart lines inside a transaction: a product and its quantity.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict,
};
use uuid::Uuid;

use super::other_cart;
use crate::{
    db::{
        dialect,
        entity::cart_item,
        locks,
        txn::{Abort, Work},
    },
    model::{
        CartBound, CartRoom, Quantity, ShopError, product::insufficient, quantity::QUANTITY_MAX,
    },
    shop::{
        Shop, catalog,
        holds::{self, Line, Period, Purpose},
        inventory::counters,
    },
};

/// Reads the lines that a checkout orders, ordered by product id: those whose products are on sale
/// now. A line whose sale has not started, or has ended, stays in the cart and is left out here.
///
/// # Errors
/// [`ShopError::CartEmpty`]; [`ShopError::SaleNotStarted`] or [`ShopError::SaleEnded`] if no
/// product of the cart is on sale.
pub async fn lines(work: &Work, cart_id: Uuid) -> Result<Vec<Line>, Abort> {
    let items = cart_item::Entity::find()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .order_by_asc(cart_item::Column::ProductId)
        .all(work.connection())
        .await?;
    let mut closed = ShopError::CartEmpty;
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let offer = catalog::offer(work, item.product_id).await?;
        match offer.check_open() {
            Ok(()) => lines.push((offer, Quantity::new(item.quantity.into())?)),
            Err(error) => closed = error,
        }
    }
    if lines.is_empty() {
        return Err(closed.into());
    }
    Ok(lines)
}

/// Returns the quantity of the product in the cart, or `None` if the cart does not contain it.
pub(super) async fn quantity_of(
    work: &Work,
    cart_id: Uuid,
    product_id: i64,
) -> Result<Option<Quantity>, Abort> {
    let row = cart_item::Entity::find_by_id((cart_id, product_id))
        .one(work.connection())
        .await?;
    Ok(row
        .map(|row| Quantity::new(row.quantity.into()))
        .transpose()?)
}

/// Reserves all lines of the cart that are on sale, or none. The caller has locked the cart.
///
/// # Errors
/// The errors of [`lines`], of [`admit_lines`] and of [`holds::reconcile`];
/// [`ShopError::OverCustomerLimit`].
pub async fn reserve_lines(work: &Work, shop: &Shop, cart_id: Uuid) -> Result<(), Abort> {
    let lines = lines(work, cart_id).await?;
    // The limit may be lower than when the line was added. Such a line could not be ordered.
    for (offer, quantity) in &lines {
        offer.check_limit(quantity.get().into())?;
    }
    let admitted = admit_lines(work, shop, cart_id, &lines).await?;
    let holds = locks::holds_of_cart(work, cart_id).await?;
    holds::reconcile(work, shop, cart_id, holds, &lines, admitted)
        .await
        .map(drop)
}

/// Checks whether the cart may reserve `lines`; see [`holds::admit`].
///
/// # Errors
/// The errors of [`holds::admit`]; [`ShopError::OverLimitWithOtherCart`].
async fn admit_lines(
    work: &Work,
    shop: &Shop,
    cart_id: Uuid,
    lines: &[Line],
) -> Result<Option<Period>, Abort> {
    let admitted = holds::admit(work, shop, cart_id, lines, Purpose::Reserve).await?;
    // Without limits, a buyer has one cart.
    if shop.holder.is_some() {
        other_cart::check_limits(work, cart_id, lines).await?;
    }
    Ok(admitted)
}

/// Adds `quantity` units of the product to what the cart contains; see [`set_line`].
///
/// # Errors
/// Those of [`set_line`]; [`ShopError::TooManyInCart`] instead of them if the cart contains units
/// of the product already.
pub(super) async fn add_line(
    work: &Work,
    shop: &Shop,
    cart_id: Uuid,
    product_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    let Some(current) = quantity_of(work, cart_id, product_id).await? else {
        return set_line(work, shop, cart_id, product_id, quantity).await;
    };
    let added = match current.plus(quantity) {
        Ok(sum) => set_line(work, shop, cart_id, product_id, sum).await,
        Err(error) => Err(error.into()),
    };
    added.map_err(|error| with_cart(error, current))
}

/// Says in an error about too many units that `current` units are in the cart already.
fn with_cart(error: Abort, current: Quantity) -> Abort {
    let full = |bound, most| {
        let in_cart = current.get();
        Abort::Refused(ShopError::TooManyInCart(CartRoom {
            bound,
            most,
            in_cart,
        }))
    };
    match error {
        Abort::Refused(ShopError::InsufficientStock { available, .. }) => {
            let available = u32::try_from(available).unwrap_or(u32::MAX);
            full(CartBound::Stock, available)
        }
        Abort::Refused(ShopError::OverCustomerLimit { limit, .. }) => {
            full(CartBound::Customer, limit)
        }
        Abort::Refused(ShopError::QuantityInvalid) => full(CartBound::Line, QUANTITY_MAX),
        other => other,
    }
}

/// Writes a line. If the cart has a live reservation, the reservation is changed in the same
/// transaction. Otherwise the line is only checked against the stock available now; the checkout
/// checks it again. Other lines, whatever is wrong with them, do not matter.
pub(super) async fn set_line(
    work: &Work,
    shop: &Shop,
    cart_id: Uuid,
    product_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    let offer = catalog::offer(work, product_id).await?;
    offer.check_open()?;
    offer.check_limit(quantity.get().into())?;
    write_line(work, cart_id, product_id, quantity).await?;
    let now = dialect::now(work.connection()).await?;
    let holds = holds::of_cart(work, cart_id).await?;
    if holds.iter().any(|hold| hold.expires_at > now) {
        let mut lines = lines(work, cart_id).await?;
        // What was not reserved before, because of its sale or its stock, does not become so now.
        lines.retain(|(offer, _)| {
            offer.id == product_id || holds.iter().any(|hold| hold.product_id == offer.id)
        });
        let admitted = admit_lines(work, shop, cart_id, &lines).await?;
        // After the address, which is locked to admit the lines.
        let holds = locks::holds_of_cart(work, cart_id).await?;
        return holds::reconcile(work, shop, cart_id, holds, &lines, admitted)
            .await
            .map(drop);
    }
    let stock = counters::read(work, product_id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    // Expired holds of this cart that are not swept yet still belong to it.
    let expired: i64 = holds
        .iter()
        .filter(|hold| hold.product_id == product_id)
        .map(|hold| i64::from(hold.quantity))
        .sum();
    let available = stock.available + expired;
    if available < i64::from(quantity.get()) {
        return Err(insufficient(&offer.name, available, quantity).into());
    }
    Ok(())
}

async fn write_line(
    work: &Work,
    cart_id: Uuid,
    product_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    let row = cart_item::ActiveModel {
        cart_id: Set(cart_id),
        product_id: Set(product_id),
        quantity: Set(quantity.get().cast_signed()),
    };
    cart_item::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([cart_item::Column::CartId, cart_item::Column::ProductId])
                .update_column(cart_item::Column::Quantity)
                .to_owned(),
        )
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
}
