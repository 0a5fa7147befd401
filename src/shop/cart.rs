//! Carts: what a shopper means to buy. Nothing is promised by a cart; stock is taken at checkout.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use crate::{
    db::{
        entity::{cart, cart_item, checkout_draft, product},
        locks,
        txn::{self, Abort, Work},
    },
    model::{CartLine, CartView, Contact, Currency, Money, Product, Quantity, ShopError},
    shop::{
        Shop,
        catalog::{self, ProductRow},
    },
};

/// A cart without an order is forgotten after so many days without a change.
const CART_KEPT_DAYS: u32 = 30;

/// Characters of a field that a draft keeps: as many as any field may have.
const KEPT_FIELD_LEN_MAX: usize = 300;

impl Shop {
    /// Adds `quantity` units to what the cart holds of the product, making a cart if there is none, and returns the cart's id.
    ///
    /// # Errors
    /// [`ShopError::InsufficientStock`] when the cart would then ask for more than there is, [`ShopError::QuantityInvalid`] beyond the limit of a line, [`ShopError::OverCustomerLimit`], a closed sale; or what the database
    /// failure means to a shopper.
    pub async fn add_to_cart(
        &self,
        cart_id: Option<Uuid>,
        product: Product,
        quantity: Quantity,
    ) -> Result<Uuid, ShopError> {
        let cart_id = cart_id.unwrap_or_else(Uuid::now_v7);
        self.write_cart("add to cart", cart_id, move |work| {
            let product = product.clone();
            Box::pin(async move {
                open(work, cart_id).await?;
                let had = held_quantity(work, cart_id, product.id).await?;
                let wanted = match had {
                    Some(had) => had.plus(quantity)?,
                    None => quantity,
                };
                put(work, cart_id, &product, wanted).await
            })
        })
        .await?;
        Ok(cart_id)
    }

    /// Sets how many units of the product the cart holds.
    ///
    /// # Errors
    /// As [`Shop::add_to_cart`]; [`ShopError::CartEmpty`] if the product is not in the cart.
    pub async fn set_cart_quantity(
        &self,
        cart_id: Uuid,
        product: Product,
        quantity: Quantity,
    ) -> Result<(), ShopError> {
        self.write_cart("set cart quantity", cart_id, move |work| {
            let product = product.clone();
            Box::pin(async move {
                held_quantity(work, cart_id, product.id)
                    .await?
                    .ok_or(ShopError::CartEmpty)?;
                put(work, cart_id, &product, quantity).await
            })
        })
        .await
    }

    /// Takes the product out of the cart, if it is in it.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn remove_from_cart(&self, cart_id: Uuid, product_id: i64) -> Result<(), ShopError> {
        self.write_cart("remove from cart", cart_id, move |work| {
            Box::pin(async move {
                cart_item::Entity::delete_by_id((cart_id, product_id))
                    .exec(work.connection())
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// The cart with prices and stock of now.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn cart(&self, cart_id: Option<Uuid>) -> Result<CartView, ShopError> {
        let Some(cart_id) = cart_id else {
            return view(Vec::new());
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
        view(rows)
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

    /// Keeps what was typed at checkout beside the cart.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn keep_draft(&self, cart_id: Uuid, contact: &Contact) -> Result<(), ShopError> {
        let clip = |field: &str| field.chars().take(KEPT_FIELD_LEN_MAX).collect();
        let contact = Contact {
            name: clip(&contact.name),
            email: clip(&contact.email),
            street: clip(&contact.street),
            postal_code: clip(&contact.postal_code),
            city: clip(&contact.city),
            country: clip(&contact.country),
        };
        let fields = serde_json::to_string(&contact)
            .map_err(|error| ShopError::Malformed(error.to_string()))?;
        self.write_cart("keep checkout draft", cart_id, move |work| {
            let fields = fields.clone();
            Box::pin(async move {
                open(work, cart_id).await?;
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
            })
        })
        .await
    }

    /// What was typed at checkout so far; empty if nothing was.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn draft(&self, cart_id: Option<Uuid>) -> Result<Contact, ShopError> {
        let Some(cart_id) = cart_id else {
            return Ok(Contact::default());
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

    /// Removes carts that nobody has touched for [`CART_KEPT_DAYS`].
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn forget_old_carts(&self) -> Result<u64, ShopError> {
        txn::run_for_result(&self.db, self.policy("forget old carts"), |work| {
            Box::pin(async move {
                let sql =
                    "DELETE FROM cart WHERE changed_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 day'";
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

    async fn write_cart<F>(
        &self,
        name: &'static str,
        cart_id: Uuid,
        body: F,
    ) -> Result<(), ShopError>
    where
        F: for<'w> Fn(&'w Work) -> futures::future::BoxFuture<'w, Result<(), Abort>>
            + Send
            + Sync
            + 'static,
    {
        let body = std::sync::Arc::new(body);
        txn::run_for_result(&self.db, self.policy(name), move |work| {
            let body = std::sync::Arc::clone(&body);
            Box::pin(async move {
                locks::cart(work, cart_id).await?;
                body(work).await
            })
        })
        .await
        .map_err(ShopError::from)
    }
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

async fn held_quantity(
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

/// Writes a line after asking whether it makes sense now. The answer may be another at checkout, where it counts.
async fn put(
    work: &Work,
    cart_id: Uuid,
    product: &Product,
    quantity: Quantity,
) -> Result<(), Abort> {
    let offer = catalog::offer(work, product.id).await?;
    offer.check_open()?;
    offer.check_limit(quantity.get().into())?;
    if product.available < i64::from(quantity.get()) {
        return Err(product.insufficient(quantity).into());
    }
    let row = cart_item::ActiveModel {
        cart_id: Set(cart_id),
        product_id: Set(product.id),
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

fn view(rows: Vec<CartRow>) -> Result<CartView, ShopError> {
    let too_large = || ShopError::Invalid("the total of this cart is too large".to_owned());
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
            product,
            quantity,
            amount,
        });
    }
    Ok(CartView {
        lines,
        subtotal: subtotal.unwrap_or(Money::new(0, Currency::EUR)),
    })
}
