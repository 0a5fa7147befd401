//! Cart lines inside a transaction: a product and its quantity.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict,
};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::cart_item,
        locks,
        txn::{Abort, Work},
    },
    model::{Quantity, ShopError, product::insufficient},
    shop::{
        Shop, catalog,
        holds::{self, Line, Purpose},
        inventory::counters,
    },
};

/// Reads the cart's lines, ordered by product id. Every product must be on sale now.
///
/// # Errors
/// [`ShopError::CartEmpty`]; [`ShopError::SaleNotStarted`] or [`ShopError::SaleEnded`] for a
/// product that is not on sale.
pub async fn lines(work: &Work, cart_id: Uuid) -> Result<Vec<Line>, Abort> {
    let items = cart_item::Entity::find()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .order_by_asc(cart_item::Column::ProductId)
        .all(work.connection())
        .await?;
    if items.is_empty() {
        return Err(ShopError::CartEmpty.into());
    }
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let offer = catalog::offer(work, item.product_id).await?;
        offer.check_open()?;
        lines.push((offer, Quantity::new(item.quantity.into())?));
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

/// Reserves all lines of the cart, or none. The caller has locked the cart.
///
/// # Errors
/// The errors of [`lines`], of [`holds::admit`] and of [`holds::reconcile`].
pub async fn reserve_lines(work: &Work, shop: &Shop, cart_id: Uuid) -> Result<(), Abort> {
    let lines = lines(work, cart_id).await?;
    let admitted = holds::admit(work, shop, cart_id, &lines, Purpose::Reserve).await?;
    let holds = locks::holds_of_cart(work, cart_id).await?;
    holds::reconcile(work, shop, cart_id, holds, &lines, admitted)
        .await
        .map(drop)
}

/// Adds `quantity` units of the product to what the cart contains; see [`set_line`].
pub(super) async fn add_line(
    work: &Work,
    shop: &Shop,
    cart_id: Uuid,
    product_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    let new_quantity = match quantity_of(work, cart_id, product_id).await? {
        Some(current) => current.plus(quantity)?,
        None => quantity,
    };
    set_line(work, shop, cart_id, product_id, new_quantity).await
}

/// Writes a line. If the cart has a live reservation, the reservation is changed in the same
/// transaction. Otherwise the line is only checked against the stock available now; the checkout
/// checks it again.
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
    let holds = locks::holds_of_cart(work, cart_id).await?;
    if holds.iter().any(|hold| hold.expires_at > now) {
        let lines = lines(work, cart_id).await?;
        let admitted = holds::admit(work, shop, cart_id, &lines, Purpose::Reserve).await?;
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
