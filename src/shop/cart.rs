//! Carts: what a shopper means to buy. Nothing is promised by a cart until the checkout sets its stock aside; from then on the
//! reservation follows the cart.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::{cart, cart_item, checkout_draft, hold, product},
        locks,
        txn::{self, Abort, Outcome, Work},
    },
    model::{
        Bill, CartLine, CartView, CheckoutView, Contact, Currency, Money, Product, Quantity,
        ShopError, product::insufficient,
    },
    shop::{
        Shop,
        catalog::{self, ProductRow},
        discounts::CODE_LEN_MAX,
        holds::{self, CartHolds, Line, ReleaseReason},
        idempotency::{self, Claim},
        inventory::counters,
    },
};

/// A cart without an order is forgotten after so many days without a change.
const CART_KEPT_DAYS: u32 = 30;

/// Characters of a field that a draft keeps: as many as any field may have.
const KEPT_FIELD_LEN_MAX: usize = 300;

/// What was typed at the checkout so far. Never card data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    #[serde(flatten)]
    pub contact: Contact,
    /// The discount code, folded; empty if there is none.
    #[serde(default)]
    pub code: String,
}

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
                let holds = live_holds(work, cart_id).await?;
                let of_product = holds
                    .into_iter()
                    .filter(|hold| hold.product_id == product_id)
                    .collect::<Vec<_>>();
                holds::release(work, &shop, &of_product, ReleaseReason::Cart).await
            })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// The cart with prices and stock of now.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn cart(&self, cart_id: Option<Uuid>) -> Result<CartView, ShopError> {
        let Some(cart_id) = cart_id else {
            return view(Vec::new(), CartHolds::default());
        };
        let rows = catalog::with_stock(product::Entity::find())
            .column_as(cart_item::Column::Quantity, "quantity")
            .join(
                JoinType::InnerJoin,
                product::Entity::belongs_to(cart_item::Entity)
                    .from(product::Column::Id)
                    .to(cart_item::Column::ProductId)
                    .into(),
            )
            .filter(cart_item::Column::CartId.eq(cart_id))
            .order_by_asc(product::Column::Id)
            .into_model::<CartRow>()
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        view(rows, self.standing_of(cart_id).await?)
    }

    /// Units in the cart, for the badge in the page's head.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn cart_unit_count(&self, cart_id: Option<Uuid>) -> Result<u32, ShopError> {
        let Some(cart_id) = cart_id else {
            return Ok(0);
        };
        let units: Option<Option<i64>> = cart_item::Entity::find()
            .select_only()
            .column_as(
                Expr::col(cart_item::Column::Quantity)
                    .sum()
                    .cast_as("bigint"),
                "units",
            )
            .filter(cart_item::Column::CartId.eq(cart_id))
            .into_tuple()
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(u32::try_from(units.flatten().unwrap_or(0)).unwrap_or(u32::MAX))
    }

    /// What the cart comes to at the checkout, with the code that was typed.
    ///
    /// # Errors
    /// [`ShopError::Invalid`] if an amount does not fit; or what a database failure means to a shopper.
    pub async fn checkout_view(
        &self,
        cart: CartView,
        code: &str,
    ) -> Result<CheckoutView, ShopError> {
        let (code, value) = match code {
            "" => (None, None),
            code => {
                let (applied, value) = self.applied_code(code, cart.subtotal).await?;
                (Some(applied), value)
            }
        };
        let bill = Bill::delivered(cart.subtotal, value).ok_or_else(too_large)?;
        Ok(CheckoutView { cart, bill, code })
    }

    /// Keeps what was typed at checkout beside the cart.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn keep_draft(&self, cart_id: Uuid, draft: &Draft) -> Result<(), ShopError> {
        let draft = draft.clone();
        let cart = KeyedCart {
            cart_id,
            claim: None,
        };
        self.write_cart("keep checkout draft", cart, move |work| {
            let draft = draft.clone();
            Box::pin(async move {
                open(work, cart_id).await?;
                write_draft(work, cart_id, &draft).await
            })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// What was typed at checkout so far; empty if nothing was.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn draft(&self, cart_id: Option<Uuid>) -> Result<Draft, ShopError> {
        let Some(cart_id) = cart_id else {
            return Ok(Draft::default());
        };
        let row = checkout_draft::Entity::find_by_id(cart_id)
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        // A draft of an older shape is worth no error: the shopper types again.
        Ok(row
            .and_then(|row| serde_json::from_str(&row.fields).ok())
            .unwrap_or_default())
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
                let result = sea_orm::ConnectionTrait::execute_raw(
                    work.connection(),
                    crate::db::dialect::statement(sql, [f64::from(CART_KEPT_DAYS).into()]),
                )
                .await?;
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
        F: for<'w> Fn(&'w Work) -> futures::future::BoxFuture<'w, Result<(), Abort>>
            + Send
            + Sync
            + 'static,
    {
        let body = std::sync::Arc::new(body);
        txn::run(&self.db, self.policy(name), move |work| {
            let (body, cart) = (std::sync::Arc::clone(&body), cart.clone());
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

/// What the cart wants, by product id. Each may be sold now, or the whole is refused.
///
/// # Errors
/// [`ShopError::CartEmpty`]; a closed sale; what the database says.
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

async fn write_draft(work: &Work, cart_id: Uuid, draft: &Draft) -> Result<(), Abort> {
    let clip = |field: &str| field.chars().take(KEPT_FIELD_LEN_MAX).collect();
    let contact = &draft.contact;
    let clipped = Draft {
        contact: Contact {
            name: clip(&contact.name),
            email: clip(&contact.email),
            street: clip(&contact.street),
            postal_code: clip(&contact.postal_code),
            city: clip(&contact.city),
            country: clip(&contact.country),
        },
        code: draft.code.chars().take(CODE_LEN_MAX).collect(),
    };
    let fields = serde_json::to_string(&clipped).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = checkout_draft::ActiveModel {
        cart_id: Set(cart_id),
        fields: Set(fields),
    };
    checkout_draft::Entity::insert(row)
        .on_conflict(
            OnConflict::column(checkout_draft::Column::CartId)
                .update_column(checkout_draft::Column::Fields)
                .to_owned(),
        )
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
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

async fn quantity_of(
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

/// What is set aside for the cart now, locked.
async fn live_holds(work: &Work, cart_id: Uuid) -> Result<Vec<hold::Model>, Abort> {
    let now = dialect::now(work.connection()).await?;
    let holds = locks::holds_of_cart(work, cart_id).await?;
    Ok(holds
        .into_iter()
        .filter(|hold| hold.expires_at > now)
        .collect())
}

/// Writes a line. During a checkout the reservation follows at once; before, the line is only asked whether it makes sense now, and
/// the answer may be another where it counts.
async fn put(
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
        return holds::fit(work, shop, cart_id, holds, &lines)
            .await
            .map(drop);
    }
    let stock = counters::read(work, product_id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    // What ran out and was not swept yet is nobody else's.
    let ran_out: i64 = holds
        .iter()
        .filter(|hold| hold.product_id == product_id)
        .map(|hold| i64::from(hold.quantity))
        .sum();
    let available = stock.available + ran_out;
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

#[derive(Debug, FromQueryResult)]
struct CartRow {
    #[sea_orm(nested)]
    product: ProductRow,
    quantity: i32,
}

fn too_large() -> ShopError {
    ShopError::Invalid("the total of this cart is too large".to_owned())
}

fn view(rows: Vec<CartRow>, holds: CartHolds) -> Result<CartView, ShopError> {
    let mut subtotal = None::<Money>;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let product = Product::from(row.product);
        let quantity = Quantity::new(row.quantity.into())?;
        let amount = product.price.times(quantity).ok_or_else(too_large)?;
        subtotal = Some(match subtotal {
            Some(sum) => sum.plus(amount).ok_or_else(too_large)?,
            None => amount,
        });
        lines.push(CartLine {
            held: holds.units.get(&product.id).copied().unwrap_or(0),
            product,
            quantity,
            amount,
        });
    }
    Ok(CartView {
        lines,
        subtotal: subtotal.unwrap_or(Money::new(0, Currency::EUR)),
        reservation: holds.reservation,
        released: holds.released,
    })
}
