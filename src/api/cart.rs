//! Forms of the cart.

use leptos::prelude::*;

use crate::model::ShopError;

/// Adds a product to the cart and redirects to the cart.
///
/// # Errors
/// The errors of [`crate::shop::cart::Carts::add`], which the form shows.
#[server(prefix = "/api/form", endpoint = "cart/add")]
pub async fn add_to_cart(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let was_carried_out = visit.was_carried_out(&idempotency_key, "add to cart").await;
    let result = server::add(&visit, &idempotency_key, &product_id, &quantity).await;
    if was_carried_out && result.is_ok() {
        let notice = ShopError::AlreadyCarriedOut;
        visit.leave_notice("/cart", &notice).await;
    }
    let result = result.map(|_| "/cart".to_owned());
    visit.answer(result, &[("quantity", &quantity)]).await
}

/// Buys a product alone, whatever is in the cart: reserves it in a cart of its own and redirects to
/// the checkout of that cart.
///
/// # Errors
/// The errors of [`crate::shop::cart::Carts::buy_now`].
#[server(prefix = "/api/form", endpoint = "cart/buy-now")]
pub async fn buy_now(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let was_carried_out = visit.was_carried_out(&idempotency_key, "buy now").await;
    let result = server::buy_now(&visit, &idempotency_key, &product_id, &quantity).await;
    let result = match result {
        // The items of the first time have been paid.
        Err(ShopError::CartEmpty) if was_carried_out => Err(ShopError::AlreadyCarriedOut),
        result => result.map(|()| crate::model::cart::BUY_NOW_CHECKOUT.to_owned()),
    };
    visit.answer(result, &[("quantity", &quantity)]).await
}

/// Sets the quantity of a product in the cart.
///
/// # Errors
/// The errors of [`crate::shop::cart::Carts::set_quantity`], which the cart shows.
#[server(prefix = "/api/form", endpoint = "cart/set")]
pub async fn set_cart_quantity(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let result = server::set(&visit, &idempotency_key, &product_id, &quantity).await;
    let result = result.map(|()| "/cart".to_owned());
    let typed = format!("quantity-{product_id}");
    let typed = [(typed.as_str(), quantity.as_str())];
    visit.answer_from("/cart", result, &typed).await
}

/// Removes a product from the cart.
#[server(prefix = "/api/form", endpoint = "cart/remove")]
pub async fn remove_from_cart(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let result = server::remove(&visit, &idempotency_key, &product_id).await;
    let result = result.map(|()| "/cart".to_owned());
    visit.answer_from("/cart", result, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{Quantity, ShopError},
        shop::{cart::KeyedCart, cart_pair::other_cart, idempotency::Claim},
        web::session::Visit,
    };

    pub async fn add(
        visit: &Visit,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<Uuid, ShopError> {
        let new = parse(visit, key, "add to cart", [product_id, quantity]).await?;
        let carts = visit.shop().carts();
        let cart_id = carts
            .add(Some(new.cart_id), new.product_id, new.quantity, new.claim)
            .await?;
        visit.set_cart_id(cart_id).await?;
        Ok(cart_id)
    }

    /// A checked form to add a product.
    struct AddForm {
        /// The shopper's cart, or the id of a new one.
        cart_id: Uuid,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    }

    async fn parse(
        visit: &Visit,
        key: &str,
        operation: &str,
        typed: [&str; 2],
    ) -> Result<AddForm, ShopError> {
        let (product_id, quantity) = (
            shop_product(visit, typed[0]).await?,
            Quantity::parse(typed[1])?,
        );
        let cart_id = visit.cart_id_for_new_lines().await?;
        let cart_id = cart_id.unwrap_or_else(|| visit.id_of_new_cart());
        Ok(AddForm {
            cart_id,
            product_id,
            quantity,
            claim: visit.claim_of_new_cart(cart_id, key, operation, &typed)?,
        })
    }

    pub async fn buy_now(
        visit: &Visit,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<(), ShopError> {
        let new = parse(visit, key, "buy now", [product_id, quantity]).await?;
        let shop = visit.shop();
        let cart_id = shop
            .carts()
            .buy_now(new.cart_id, new.product_id, new.quantity, new.claim)
            .await?;
        visit.set_cart_id(cart_id).await?;
        // A repeated request finds its items reserved, expired or paid for.
        let again = shop.reservations().reserve(other_cart(cart_id), None).await;
        again.result.map_err(ShopError::from)
    }

    pub async fn set(
        visit: &Visit,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<(), ShopError> {
        let typed = [product_id, quantity];
        let product_id = shop_product(visit, product_id).await?;
        let quantity = Quantity::parse(quantity)?;
        let cart_id = visit.cart_id().await?;
        let cart_id = cart_id.ok_or_else(|| visit.missing_cart())?;
        let claim = visit.claim_of_cart(cart_id, key, "set cart quantity", &typed)?;
        visit
            .shop()
            .carts()
            .set_quantity(KeyedCart { cart_id, claim }, product_id, quantity)
            .await
    }

    pub async fn remove(visit: &Visit, key: &str, product_id: &str) -> Result<(), ShopError> {
        let typed = product_id;
        let product_id = typed.parse().map_err(|_| ShopError::UnknownProduct)?;
        let Some(cart_id) = visit.cart_id().await? else {
            return match visit.missing_cart() {
                // Without a cart, there is nothing to remove.
                ShopError::CartEmpty => Ok(()),
                ended => Err(ended),
            };
        };
        let claim = visit.claim_of_cart(cart_id, key, "remove from cart", &[typed])?;
        visit
            .shop()
            .carts()
            .remove(KeyedCart { cart_id, claim }, product_id)
            .await
    }

    /// Parses the id of a shop product. Private products of the workbench's lanes are not for sale
    /// here.
    async fn shop_product(visit: &Visit, product_id: &str) -> Result<i64, ShopError> {
        let product_id = product_id.parse().map_err(|_| ShopError::UnknownProduct)?;
        Ok(visit.catalog().product_by_id(product_id).await?.id)
    }
}
