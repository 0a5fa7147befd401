//! What the two carts of a shopper share: the limits per customer, and the contact, which a shopper
//! types once.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{Carts, CheckoutDraft, draft::write_draft};
use crate::{
    db::{
        dialect,
        entity::{checkout_draft, hold},
        locks,
        txn::{Abort, Work},
    },
    model::{Contact, ShopError},
    shop::{cart_pair::other_cart, holds::Line},
};

/// Checks that what the shopper holds in their other cart, together with `lines`, is within the
/// limits per customer.
///
/// # Errors
/// [`ShopError::OverLimitWithOtherCart`].
pub(super) async fn check_limits(work: &Work, cart_id: Uuid, lines: &[Line]) -> Result<(), Abort> {
    if lines
        .iter()
        .all(|(offer, _)| offer.per_customer_limit.is_none())
    {
        return Ok(());
    }
    let now = dialect::now(work.connection()).await?;
    let held = hold::Entity::find()
        .filter(hold::Column::CartId.eq(other_cart(cart_id)))
        .filter(hold::Column::State.eq("held"))
        .filter(hold::Column::OrderId.is_null())
        .filter(hold::Column::ExpiresAt.gt(now))
        .all(work.connection())
        .await?;
    for (offer, quantity) in lines {
        let held: i64 = held
            .iter()
            .filter(|hold| hold.product_id == offer.id)
            .map(|hold| i64::from(hold.quantity))
            .sum();
        let wanted = held + i64::from(quantity.get());
        if let Some(limit) = offer.per_customer_limit
            && held > 0
            && wanted > i64::from(limit)
        {
            return Err(ShopError::OverLimitWithOtherCart {
                product: offer.name.clone(),
                limit,
                held: u32::try_from(held).unwrap_or(u32::MAX),
            }
            .into());
        }
    }
    Ok(())
}

/// Gives the contact of a cart's draft to the other cart, if that exists and has no contact yet:
/// nothing has to be typed twice. The caller is about to clear the cart.
///
/// The caller has locked stock, for which a transaction that has locked the other cart may wait. So
/// this does not wait for that cart: the contact is not handed over while the cart is changed.
pub(super) async fn hand_over_contact(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    let contact = stored(work, cart_id).await?.contact;
    if contact == Contact::default() {
        return Ok(());
    }
    let other = other_cart(cart_id);
    if locks::unlocked_cart(work, other).await?.is_none() {
        return Ok(());
    }
    let kept = stored(work, other).await?;
    if kept.contact != Contact::default() {
        return Ok(());
    }
    let draft = CheckoutDraft {
        contact,
        code: kept.code,
    };
    write_draft(work, other, &draft).await
}

async fn stored(work: &Work, cart_id: Uuid) -> Result<CheckoutDraft, Abort> {
    let row = checkout_draft::Entity::find_by_id(cart_id)
        .one(work.connection())
        .await?;
    Ok(row
        .and_then(|row| serde_json::from_str(&row.fields).ok())
        .unwrap_or_default())
}

impl Carts<'_> {
    /// Returns the checkout draft of a cart; without a contact of its own, with the contact that
    /// the shopper typed at the checkout of their other cart.
    pub async fn draft_with_contact(self, cart_id: Uuid) -> Result<CheckoutDraft, ShopError> {
        let own = self.draft(Some(cart_id)).await?;
        if own.contact != Contact::default() {
            return Ok(own);
        }
        let other = self.draft(Some(other_cart(cart_id))).await?;
        Ok(CheckoutDraft {
            contact: other.contact,
            code: own.code,
        })
    }
}
