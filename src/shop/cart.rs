//! Carts: the products that a shopper intends to buy. A cart reserves no stock until the checkout;
//! from then on, every change of the cart also changes its reservation.

mod draft;
mod line;
mod other_cart;
mod view;

pub use draft::CheckoutDraft;
pub use line::{lines, reserve_lines};

use std::sync::Arc;

use futures::future::BoxFuture;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr},
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use self::{
    draft::write_draft,
    line::{add_line, quantity_of, set_line},
};
use crate::{
    db::{
        dialect,
        entity::{cart, cart_item, checkout_draft, hold},
        locks,
        retention::{self, ExpiredRows},
        txn::{self, Abort, Outcome, Work},
    },
    model::{Quantity, ShopError},
    shop::{
        Shop,
        cart_pair::other_cart,
        catalog,
        holds::{self, Line, ReleaseReason},
        idempotency::{self, Claim},
    },
};

/// Carts that have not changed for 30 days, or for a day if their session never came back after
/// creating them, and that have no open hold.
pub const OLD_CARTS: ExpiredRows = ExpiredRows {
    name: "carts",
    table: "cart",
    key: "id",
    emptied_column: None,
    read_key: retention::read_key::<Uuid>,
    is_expired: is_old,
    age: Duration::days(30),
};

/// How long a cart is kept whose session never came back.
const UNSEEN_AGE: Duration = Duration::days(1);

/// The condition of [`OLD_CARTS`].
fn is_old(now: OffsetDateTime, age: Duration) -> SimpleExpr {
    let is_unchanged_for = |span: Duration| cart::Column::ChangedAt.lt(now - span);
    let seen = cart::Column::SeenAgain.eq(true).and(is_unchanged_for(age));
    let unseen = cart::Column::SeenAgain
        .eq(false)
        .and(is_unchanged_for(UNSEEN_AGE));
    let open_holds = Query::select()
        .column(hold::Column::Id)
        .from(hold::Entity)
        .and_where(hold::Column::State.eq("held"))
        .and_where(
            Expr::col((hold::Entity, hold::Column::CartId))
                .equals((cart::Entity, cart::Column::Id)),
        )
        .to_owned();
    seen.or(unseen).and(Expr::not_exists(open_holds))
}

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

    /// Puts `quantity` units of the product, and nothing else, into the *Buy now* cart of the
    /// shopper who has the cart `cart_id`, and reserves them in the same transaction: what the
    /// shopper was buying before is released, and if the units cannot be reserved, nothing changes.
    /// The other cart does not matter. Returns `cart_id`, the same for a retry with the same key.
    ///
    /// # Errors
    /// The errors of [`Carts::add`] and of [`super::reservations::Reservations::reserve`].
    pub async fn buy_now(
        self,
        cart_id: Uuid,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Result<Uuid, ShopError> {
        let shop = self.shop.clone();
        txn::run_for_result(&self.shop.db, self.shop.policy("buy now"), move |work| {
            let (shop, claim) = (shop.clone(), claim.clone());
            Box::pin(async move {
                if let Some(stored) = idempotency::claim(work, claim.as_ref()).await? {
                    return Ok(stored);
                }
                let buy_now = other_cart(cart_id);
                locks::cart(work, buy_now).await?;
                create_or_touch(work, buy_now).await?;
                remove_lines(work, buy_now, |line| line != product_id).await?;
                set_line(work, &shop, buy_now, product_id, quantity).await?;
                reserve_lines(work, &shop, buy_now).await?;
                idempotency::record(work, claim.as_ref(), &cart_id).await?;
                Ok(cart_id)
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Records that the shopper sent another request after the one that created their cart. Carts
    /// of shoppers who did not are deleted after a day.
    pub async fn mark_seen_again(self, cart_id: Uuid) -> Result<(), ShopError> {
        let policy = self.shop.policy("mark cart as seen");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            Box::pin(async move {
                cart::Entity::update_many()
                    .col_expr(cart::Column::SeenAgain, Expr::value(true))
                    .filter(cart::Column::Id.is_in([cart_id, other_cart(cart_id)]))
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

/// Deletes the lines that were ordered, and the checkout draft. A line whose sale has not started,
/// or has ended, was not ordered and stays.
pub async fn clear(work: &Work, cart_id: Uuid, ordered: &[Line]) -> Result<(), Abort> {
    let is_ordered = |product_id: i64| ordered.iter().any(|(offer, _)| offer.id == product_id);
    remove_lines(work, cart_id, is_ordered).await?;
    other_cart::hand_over_contact(work, cart_id).await?;
    checkout_draft::Entity::delete_by_id(cart_id)
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Deletes the lines of the cart whose product `is_meant`.
async fn remove_lines(
    work: &Work,
    cart_id: Uuid,
    is_meant: impl Fn(i64) -> bool + Send,
) -> Result<(), Abort> {
    let items = cart_item::Entity::find()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .all(work.connection())
        .await?;
    for item in items {
        if is_meant(item.product_id) {
            cart_item::Entity::delete_by_id((cart_id, item.product_id))
                .exec(work.connection())
                .await?;
        }
    }
    Ok(())
}

/// Restores an order's lines and its checkout draft to the cart that they came from, if the cart
/// still exists and contains nothing that could be ordered. Returns true if it did. The caller has
/// locked the cart.
pub async fn restore(
    work: &Work,
    cart_id: Uuid,
    ordered: &[(i64, i32)],
    draft: &CheckoutDraft,
) -> Result<bool, Abort> {
    if cart::Entity::find_by_id(cart_id)
        .one(work.connection())
        .await?
        .is_none()
    {
        return Ok(false);
    }
    let items = cart_item::Entity::find()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .all(work.connection())
        .await?;
    for item in &items {
        let is_ordered = ordered.iter().any(|(id, _)| *id == item.product_id);
        let offer = catalog::offer(work, item.product_id).await?;
        if is_ordered || offer.check_open().is_ok() {
            return Ok(false);
        }
    }
    let rows = ordered
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
