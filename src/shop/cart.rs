//! Carts: the products that a shopper intends to buy. A cart reserves no stock until the checkout;
//! from then on, every change of the cart also changes its reservation.

mod draft;
mod line;
mod view;

pub use draft::CheckoutDraft;
pub use line::{lines, reserve_lines};

use std::sync::Arc;

use futures::future::BoxFuture;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use self::{
    draft::write_draft,
    line::{add_line, quantity_of, set_line},
};
use crate::{
    db::{
        dialect,
        entity::{cart, cart_item, checkout_draft},
        locks,
        retention::ExpiredRows,
        txn::{self, Abort, Outcome, Work},
    },
    model::{Quantity, ShopError},
    shop::{
        Shop,
        holds::{self, ReleaseReason},
        idempotency::{self, Claim},
    },
};

/// Carts that have not changed for 30 days, or for a day if their session never came back after
/// creating them, and that have no open hold.
pub const OLD_CARTS: ExpiredRows = ExpiredRows {
    name: "carts",
    select: "SELECT id::text FROM cart WHERE changed_at < CURRENT_TIMESTAMP \
             - CASE WHEN seen_again THEN $1::float8 ELSE 1 END * INTERVAL '1 day' \
             AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.cart_id = cart.id AND hold.state = 'held')",
    delete: "DELETE FROM cart WHERE id = ANY($1::text[]::uuid[]) \
             AND changed_at < CURRENT_TIMESTAMP - CASE WHEN seen_again THEN $2::float8 ELSE 1 END * INTERVAL '1 day' \
             AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.cart_id = cart.id AND hold.state = 'held')",
    age: 30,
};

/// A cart to change, with the idempotency claim of the change.
#[derive(Clone, Debug)]
pub struct KeyedCart {
    pub cart_id: Uuid,
    pub claim: Option<Claim>,
}

/// Changes and reads carts; see [`Shop::carts`].
#[derive(Clone, Copy, Debug)]
pub struct Carts<'a> {
    pub(super) shop: &'a Shop,
}

impl Carts<'_> {
    /// Adds `quantity` units of the product to the cart, creates the cart if necessary, and returns
    /// its id. A retry with the same key returns the same cart.
    ///
    /// # Errors
    /// [`ShopError::InsufficientStock`] if the cart would contain more units than are available,
    /// [`ShopError::QuantityInvalid`] if the line would exceed its maximum,
    /// [`ShopError::OverCustomerLimit`], [`ShopError::SaleNotStarted`], [`ShopError::SaleEnded`],
    /// [`ShopError::IdempotencyKeyReused`].
    pub async fn add(
        self,
        cart_id: Option<Uuid>,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Result<Uuid, ShopError> {
        let added = self.add_with_cost(cart_id, product_id, quantity, claim);
        added.await.result.map_err(ShopError::from)
    }

    /// The same, with the attempts and the time that it took.
    pub async fn add_with_cost(
        self,
        cart_id: Option<Uuid>,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Outcome<Uuid> {
        let cart_id = cart_id.unwrap_or_else(Uuid::now_v7);
        let shop = self.shop.clone();
        txn::run(
            &self.shop.db,
            self.shop.policy("add to cart"),
            move |work| {
                let (shop, claim) = (shop.clone(), claim.clone());
                Box::pin(async move {
                    if let Some(stored) = idempotency::claim(work, claim.as_ref()).await? {
                        return Ok(stored);
                    }
                    locks::cart(work, cart_id).await?;
                    create_or_touch(work, cart_id).await?;
                    add_line(work, &shop, cart_id, product_id, quantity).await?;
                    idempotency::record(work, claim.as_ref(), &cart_id).await?;
                    Ok(cart_id)
                })
            },
        )
        .await
    }

    /// Sets the quantity of a product in the cart.
    ///
    /// # Errors
    /// The errors of [`Carts::add`]; [`ShopError::CartEmpty`] if the product is not in the
    /// cart.
    pub async fn set_quantity(
        self,
        cart: KeyedCart,
        product_id: i64,
        quantity: Quantity,
    ) -> Result<(), ShopError> {
        let (shop, cart_id) = (self.shop.clone(), cart.cart_id);
        self.write_cart("set cart quantity", cart, move |work| {
            let shop = shop.clone();
            Box::pin(async move {
                quantity_of(work, cart_id, product_id)
                    .await?
                    .ok_or(ShopError::CartEmpty)?;
                set_line(work, &shop, cart_id, product_id, quantity).await
            })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// Removes the product from the cart, if the cart contains it, and releases its hold.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyReused`].
    pub async fn remove(self, cart: KeyedCart, product_id: i64) -> Result<(), ShopError> {
        let (shop, cart_id) = (self.shop.clone(), cart.cart_id);
        self.write_cart("remove from cart", cart, move |work| {
            let shop = shop.clone();
            Box::pin(async move {
                cart_item::Entity::delete_by_id((cart_id, product_id))
                    .exec(work.connection())
                    .await?;
                let now = dialect::now(work.connection()).await?;
                let mut holds = holds::live_of_cart(work, cart_id, now).await?;
                holds.retain(|hold| hold.product_id == product_id);
                holds::release(work, &shop, &holds, ReleaseReason::Cart).await
            })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// The same as [`Carts::add`], and reserves the whole cart in the same transaction: if a line
    /// cannot be reserved, nothing is added, and no cart is created. Returns the cart's id.
    ///
    /// # Errors
    /// The errors of [`Carts::add`] and of [`super::reservations::Reservations::reserve`].
    pub async fn add_and_reserve(
        self,
        cart_id: Option<Uuid>,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Result<Uuid, ShopError> {
        let cart_id = cart_id.unwrap_or_else(Uuid::now_v7);
        let shop = self.shop.clone();
        txn::run_for_result(&self.shop.db, self.shop.policy("buy now"), move |work| {
            let (shop, claim) = (shop.clone(), claim.clone());
            Box::pin(async move {
                if let Some(stored) = idempotency::claim(work, claim.as_ref()).await? {
                    return Ok(stored);
                }
                locks::cart(work, cart_id).await?;
                create_or_touch(work, cart_id).await?;
                add_line(work, &shop, cart_id, product_id, quantity).await?;
                reserve_lines(work, &shop, cart_id).await?;
                idempotency::record(work, claim.as_ref(), &cart_id).await?;
                Ok(cart_id)
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Records that the cart's session came back after creating the cart.
    pub async fn mark_seen_again(self, cart_id: Uuid) -> Result<(), ShopError> {
        let policy = self.shop.policy("mark cart as seen");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            Box::pin(async move {
                cart::Entity::update_many()
                    .col_expr(cart::Column::SeenAgain, Expr::value(true))
                    .filter(cart::Column::Id.eq(cart_id))
                    .exec(work.connection())
                    .await?;
                Ok(())
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Runs `body` once per key, with the cart locked.
    pub(super) async fn write_cart<F>(
        self,
        name: &'static str,
        cart: KeyedCart,
        body: F,
    ) -> Outcome<()>
    where
        F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<(), Abort>> + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        txn::run(&self.shop.db, self.shop.policy(name), move |work| {
            let (body, cart) = (Arc::clone(&body), cart.clone());
            Box::pin(async move {
                let claim = cart.claim.as_ref();
                if idempotency::claim::<()>(work, claim).await?.is_some() {
                    return Ok(());
                }
                locks::cart(work, cart.cart_id).await?;
                touch(work, cart.cart_id).await?;
                body(work).await?;
                idempotency::record(work, claim, &()).await
            })
        })
        .await
    }
}

/// Deletes the cart's lines and its checkout draft.
pub async fn clear(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    cart_item::Entity::delete_many()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .exec(work.connection())
        .await?;
    checkout_draft::Entity::delete_by_id(cart_id)
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Restores an order's lines and its checkout draft to the cart that they came from, if the cart
/// still exists and is empty. Returns true if it did. The caller has locked the cart.
pub async fn restore(
    work: &Work,
    cart_id: Uuid,
    lines: &[(i64, i32)],
    draft: &CheckoutDraft,
) -> Result<bool, Abort> {
    if cart::Entity::find_by_id(cart_id)
        .one(work.connection())
        .await?
        .is_none()
    {
        return Ok(false);
    }
    let new_line = cart_item::Entity::find()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .one(work.connection())
        .await?;
    if new_line.is_some() {
        return Ok(false);
    }
    let rows = lines
        .iter()
        .map(|(product_id, quantity)| cart_item::ActiveModel {
            cart_id: Set(cart_id),
            product_id: Set(*product_id),
            quantity: Set(*quantity),
        });
    cart_item::Entity::insert_many(rows)
        .exec_without_returning(work.connection())
        .await?;
    write_draft(work, cart_id, draft).await?;
    Ok(true)
}

/// Creates the cart if it does not exist, and updates its time of last change.
async fn create_or_touch(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    let row = cart::ActiveModel {
        id: Set(cart_id),
        created_at: NotSet,
        changed_at: NotSet,
        seen_again: NotSet,
    };
    cart::Entity::insert(row)
        .on_conflict(
            OnConflict::column(cart::Column::Id)
                .value(cart::Column::ChangedAt, Expr::current_timestamp())
                .to_owned(),
        )
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
}

/// Updates the cart's time of last change, if the cart exists.
async fn touch(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    cart::Entity::update_many()
        .col_expr(cart::Column::ChangedAt, Expr::current_timestamp())
        .filter(cart::Column::Id.eq(cart_id))
        .exec(work.connection())
        .await?;
    Ok(())
}
