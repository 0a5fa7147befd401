//! The cart's forms.

use leptos::prelude::*;

use crate::model::ShopError;

/// Adds a product to the cart, and leads to the cart.
///
/// # Errors
/// What [`crate::shop::Shop::add_to_cart`] refuses; the form then says why.
#[server(prefix = "/api/form", endpoint = "cart/add")]
pub async fn add_to_cart(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::add(&visit, &idempotency_key, &product_id, &quantity).await;
    let done = done.map(|_| "/cart".to_owned());
    visit.answer(done, &[("quantity", &quantity)]).await
}

/// Adds a product to the cart, sets the cart's stock aside, and leads to the checkout.
///
/// # Errors
/// As [`add_to_cart`], and what [`crate::shop::Shop::reserve_cart`] refuses.
#[server(prefix = "/api/form", endpoint = "cart/buy-now")]
pub async fn buy_now(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::buy_now(&visit, &idempotency_key, &product_id, &quantity).await;
    let done = done.map(|()| "/checkout".to_owned());
    visit.answer(done, &[("quantity", &quantity)]).await
}

/// Sets how many units of a product the cart holds.
///
/// # Errors
/// What [`crate::shop::Shop::set_cart_quantity`] refuses; the cart then says why.
#[server(prefix = "/api/form", endpoint = "cart/set")]
pub async fn set_cart_quantity(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::set(&visit, &idempotency_key, &product_id, &quantity).await;
    let done = done.map(|()| "/cart".to_owned());
    let typed = format!("quantity-{product_id}");
    visit.answer(done, &[(&typed, &quantity)]).await
}

/// Takes a product out of the cart.
///
/// # Errors
/// What a database failure means to a shopper.
#[server(prefix = "/api/form", endpoint = "cart/remove")]
pub async fn remove_from_cart(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::remove(&visit, &idempotency_key, &product_id).await;
    let done = done.map(|()| "/cart".to_owned());
    visit.answer(done, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{Quantity, ShopError},
        shop::cart::KeyedCart,
        web::session::Visit,
    };

    pub async fn add(
        visit: &Visit,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<Uuid, ShopError> {
        // The cart is no part of the request: the first of two presses makes it, and the second finds it.
        let claim = visit.claim(key, "add to cart", &[product_id, quantity])?;
        let product_id = shop_product(visit, product_id).await?;
        let quantity = Quantity::parse(quantity)?;
        let cart_id = visit.cart_id().await?;
        let cart_id = visit
            .shop()
            .add_to_cart(cart_id, product_id, quantity, claim)
            .await?;
        visit.set_cart_id(cart_id).await?;
        Ok(cart_id)
    }

    pub async fn buy_now(
        visit: &Visit,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<(), ShopError> {
        let cart_id = add(visit, key, product_id, quantity).await?;
        let outcome = visit.shop().reserve_cart(cart_id, None).await;
        Ok(outcome.result?)
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
        let cart_id = visit.cart_id().await?.ok_or(ShopError::CartEmpty)?;
        let parts = [&cart_id.to_string(), typed[0], typed[1]];
        let claim = visit.claim(key, "set cart quantity", &parts)?;
        visit
            .shop()
            .set_cart_quantity(KeyedCart { cart_id, claim }, product_id, quantity)
            .await
    }

    pub async fn remove(visit: &Visit, key: &str, product_id: &str) -> Result<(), ShopError> {
        let typed = product_id;
        let product_id = typed.parse().map_err(|_| ShopError::UnknownProduct)?;
        let Some(cart_id) = visit.cart_id().await? else {
            return Ok(());
        };
        let parts = [&cart_id.to_string(), typed];
        let claim = visit.claim(key, "remove from cart", &parts)?;
        visit
            .shop()
            .remove_from_cart(KeyedCart { cart_id, claim }, product_id)
            .await
    }

    /// The id of a product of the shop: lanes of the workbench are not for sale here.
    async fn shop_product(visit: &Visit, product_id: &str) -> Result<i64, ShopError> {
        let product_id = product_id.parse().map_err(|_| ShopError::UnknownProduct)?;
        Ok(visit.shop().product_by_id(product_id).await?.id)
    }
}
