//! Carts as pages and the checkout show them.

use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::Carts;
use crate::{
    db::{
        dialect,
        entity::{cart_item, product},
        txn,
    },
    model::{
        Bill, CartLine, CartUnits, CartView, CheckoutView, Currency, Money, Product, Quantity,
        ReleasedLine, ShopError,
    },
    shop::{
        catalog::{self, ProductRow},
        holds::CartHolds,
    },
};

impl Carts<'_> {
    /// Returns the cart with current prices and stock.
    pub async fn view(self, cart_id: Option<Uuid>) -> Result<CartView, ShopError> {
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
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        view(rows, CartHolds::read(self.shop, cart_id).await?)
    }

    /// Returns the number of units in the cart, for the badge in the page header.
    pub async fn unit_count(self, cart_id: Option<Uuid>) -> Result<u32, ShopError> {
        let Some(cart_id) = cart_id else {
            return Ok(0);
        };
        let units: Option<Option<i64>> = cart_item::Entity::find()
            .select_only()
            .column_as(
                dialect::as_integer(Expr::col(cart_item::Column::Quantity).sum()),
                "units",
            )
            .filter(cart_item::Column::CartId.eq(cart_id))
            .into_tuple()
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(u32::try_from(units.flatten().unwrap_or(0)).unwrap_or(u32::MAX))
    }

    /// Returns the units of a product in the cart, for the product's page.
    pub async fn units_of(
        self,
        cart_id: Option<Uuid>,
        product_id: i64,
    ) -> Result<CartUnits, ShopError> {
        let Some(cart_id) = cart_id else {
            return Ok(CartUnits::default());
        };
        let line = cart_item::Entity::find_by_id((cart_id, product_id))
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let Some(line) = line else {
            return Ok(CartUnits::default());
        };
        let holds = CartHolds::read(self.shop, cart_id).await?;
        Ok(CartUnits {
            in_cart: Quantity::new(line.quantity.into())?.get(),
            held: holds.units.get(&product_id).copied().unwrap_or(0),
        })
    }

    /// Returns the cart with its bill at the checkout, including the discount code `code`.
    ///
    /// # Errors
    /// [`ShopError::Invalid`] if an amount overflows.
    pub async fn checkout_view(
        self,
        cart: CartView,
        code: &str,
    ) -> Result<CheckoutView, ShopError> {
        let (code, value) = match code {
            "" => (None, None),
            code => {
                let (applied, value) = self.shop.discounts().applied(code, cart.subtotal).await?;
                (Some(applied), value)
            }
        };
        let bill = Bill::with_delivery(cart.subtotal, value).ok_or_else(too_large)?;
        Ok(CheckoutView { cart, bill, code })
    }
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
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let product = Product::from(row.product);
        let quantity = Quantity::new(row.quantity.into())?;
        let amount = product.price.times(quantity).ok_or_else(too_large)?;
        lines.push(CartLine {
            held: holds.units.get(&product.id).copied().unwrap_or(0),
            reserved_price: holds
                .unit_prices
                .get(&product.id)
                .map(|cents| Money::new(*cents, product.price.currency)),
            product,
            quantity,
            amount,
        });
    }
    let mut subtotal = None::<Money>;
    for line in lines.iter().filter(|line| line.is_on_sale()) {
        subtotal = Some(match subtotal {
            Some(sum) => sum.plus(line.amount).ok_or_else(too_large)?,
            None => line.amount,
        });
    }
    Ok(CartView {
        released: still_in_cart(holds.released, &lines),
        lines,
        subtotal: subtotal.unwrap_or(Money::new(0, Currency::EUR)),
        reservation: holds.reservation,
    })
}

/// Leaves out what the shopper has removed from the cart since it was released.
fn still_in_cart(released: Vec<ReleasedLine>, lines: &[CartLine]) -> Vec<ReleasedLine> {
    released
        .into_iter()
        .filter_map(|released| {
            let line = lines
                .iter()
                .find(|line| line.product.id == released.product_id)
                .filter(|line| line.is_on_sale() || released.sale_ended)?;
            Some(ReleasedLine {
                quantity: Ord::min(released.quantity, line.quantity.get().into()),
                ..released
            })
        })
        .collect()
}
