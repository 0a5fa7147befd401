//! Carts: what a shopper means to buy. Nothing is promised by a cart until the checkout sets its stock aside; from then on the
//! reservation follows the cart.

mod draft;
mod line;
mod view;

pub use draft::Draft;
pub use line::lines;

use std::sync::Arc;

use futures::future::BoxFuture;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use self::{
    draft::write_draft,
    line::{put, quantity_of},
};
use crate::{
    db::{
        dialect,
        entity::{cart, cart_item, checkout_draft},
        locks,
        txn::{self, Abort, Outcome, Work},
    },
    model::{Quantity, ShopError},
    shop::{
        Shop,
        holds::{self, ReleaseReason},
        idempotency::{self, Claim},
    },
};

/// A cart without an order is forgotten after so many days without a change.
const CART_KEPT_DAYS: u32 = 30;

/// A cart to be changed, and the key that the change is known by.
#[derive(Clone, Debug)]
pub struct KeyedCart {
    pub cart_id: Uuid,
    pub claim: Option<Claim>,
}

impl Shop {
    /// Adds `quantity` units to what the cart holds of the product, making a cart if there is none, and returns the cart's id. The same
    /// key again leads to the same cart.
    ///
    /// # Errors
    /// [`ShopError::InsufficientStock`] when the cart would then ask for more than there is, [`ShopError::QuantityInvalid`] beyond the limit of a line,
    /// [`ShopError::OverCustomerLimit`], a closed sale, a reused key; or what the database failure means to a shopper.
    pub async fn add_to_cart(
        &self,
        cart_id: Option<Uuid>,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Result<Uuid, ShopError> {
        let cart_id = cart_id.unwrap_or_else(Uuid::now_v7);
        let shop = self.clone();
        txn::run_for_result(&self.db, self.policy("add to cart"), move |work| {
            let (shop, claim) = (shop.clone(), claim.clone());
            Box::pin(async move {
                if let Some(known) = idempotency::claim(work, claim.as_ref()).await? {
                    return Ok(known);
                }
                locks::cart(work, cart_id).await?;
                open(work, cart_id).await?;
                let wanted = match quantity_of(work, cart_id, product_id).await? {
                    Some(had) => had.plus(quantity)?,
                    None => quantity,
                };
                put(work, &shop, cart_id, product_id, wanted).await?;
                idempotency::record(work, claim.as_ref(), &cart_id).await?;
                Ok(cart_id)
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Sets how many units of the product the cart holds.
    ///
    /// # Errors
    /// As [`Shop::add_to_cart`]; [`ShopError::CartEmpty`] if the product is not in the cart.
    pub async fn set_cart_quantity(
        &self,
        cart: KeyedCart,
        product_id: i64,
        quantity: Quantity,
    ) -> Result<(), ShopError> {
        let (shop, cart_id) = (self.clone(), cart.cart_id);
        self.write_cart("set cart quantity", cart, move |work| {
            let shop = shop.clone();
            Box::pin(async move {
                quantity_of(work, cart_id, product_id)
                    .await?
                    .ok_or(ShopError::CartEmpty)?;
                put(work, &shop, cart_id, product_id, quantity).await
            })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// Takes the product out of the cart, if it is in it, and gives back what was set aside for it.
    ///
    /// # Errors
    /// A reused key; or what a database failure means to a shopper.
    pub async fn remove_from_cart(
        &self,
        cart: KeyedCart,
        product_id: i64,
    ) -> Result<(), ShopError> {
        let (shop, cart_id) = (self.clone(), cart.cart_id);
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

    /// Removes carts that nobody has touched for [`CART_KEPT_DAYS`] and nobody is checking out.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn forget_old_carts(&self) -> Result<u64, ShopError> {
        txn::run_for_result(&self.db, self.policy("forget old carts"), |work| {
            Box::pin(async move {
                let sql =
                    "DELETE FROM cart WHERE changed_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 day' \
                     AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.cart_id = cart.id AND hold.state = 'held')";
                let statement = dialect::statement(sql, [f64::from(CART_KEPT_DAYS).into()]);
                let result = work.connection().execute_raw(statement).await?;
                Ok(result.rows_affected())
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Runs `body` once for the key, with the cart locked.
    pub(super) async fn write_cart<F>(
        &self,
        name: &'static str,
        cart: KeyedCart,
        body: F,
    ) -> Outcome<()>
    where
        F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<(), Abort>> + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        txn::run(&self.db, self.policy(name), move |work| {
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

/// Forgets what is in the cart and what was typed.
///
/// # Errors
/// What the database says.
pub async fn empty(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    cart_item::Entity::delete_many()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .exec(work.connection())
        .await?;
    checkout_draft::Entity::delete_by_id(cart_id)
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Puts an order's lines back into the cart that they came from, with what was typed, if nothing has been put into it since. Returns
/// whether it did. The cart is locked.
///
/// # Errors
/// What the database says.
pub async fn refill(
    work: &Work,
    cart_id: Uuid,
    lines: &[(i64, i32)],
    draft: &Draft,
) -> Result<bool, Abort> {
    if cart::Entity::find_by_id(cart_id)
        .one(work.connection())
        .await?
        .is_none()
    {
        return Ok(false);
    }
    let since = cart_item::Entity::find()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .one(work.connection())
        .await?;
    if since.is_some() {
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

/// Makes the cart if it is absent, and marks it as used.
async fn open(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    let row = cart::ActiveModel {
        id: Set(cart_id),
        created_at: NotSet,
        changed_at: NotSet,
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

/// Marks the cart as used, if there is one.
async fn touch(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    cart::Entity::update_many()
        .col_expr(cart::Column::ChangedAt, Expr::current_timestamp())
        .filter(cart::Column::Id.eq(cart_id))
        .exec(work.connection())
        .await?;
    Ok(())
}
