//! The cart's forms.

use leptos::prelude::*;

use crate::model::ShopError;

/// Adds a product to the cart, and leads to the cart.
///
/// # Errors
/// What [`crate::shop::Shop::add_to_cart`] refuses; the form then says why.
#[server(prefix = "/api/form", endpoint = "cart/add")]
pub async fn add_to_cart(
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::add(&visit, &product_id, &quantity).await;
    let done = done.map(|()| "/cart".to_owned());
    visit.answer(done, &[("quantity", &quantity)]).await
}

/// Adds a product to the cart, and leads to the checkout.
///
/// # Errors
/// As [`add_to_cart`].
#[server(prefix = "/api/form", endpoint = "cart/buy-now")]
pub async fn buy_now(
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::add(&visit, &product_id, &quantity).await;
    let done = done.map(|()| "/checkout".to_owned());
    visit.answer(done, &[("quantity", &quantity)]).await
}

/// Sets how many units of a product the cart holds.
///
/// # Errors
/// What [`crate::shop::Shop::set_cart_quantity`] refuses; the cart then says why.
#[server(prefix = "/api/form", endpoint = "cart/set")]
pub async fn set_cart_quantity(
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::set(&visit, &product_id, &quantity).await;
    let done = done.map(|()| "/cart".to_owned());
    let typed = format!("quantity-{product_id}");
    visit.answer(done, &[(&typed, &quantity)]).await
}

/// Takes a product out of the cart.
///
/// # Errors
/// What a database failure means to a shopper.
#[server(prefix = "/api/form", endpoint = "cart/remove")]
pub async fn remove_from_cart(#[server(default)] product_id: String) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::remove(&visit, &product_id).await;
    let done = done.map(|()| "/cart".to_owned());
    visit.answer(done, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use crate::{
        model::{Product, Quantity, ShopError},
        web::session::Visit,
    };

    pub async fn add(visit: &Visit, product_id: &str, quantity: &str) -> Result<(), ShopError> {
        let product = product(visit, product_id).await?;
        let quantity = Quantity::parse(quantity)?;
        let cart_id = visit.cart_id().await?;
        let cart_id = visit.shop().add_to_cart(cart_id, product, quantity).await?;
        visit.set_cart_id(cart_id).await
    }

    pub async fn set(visit: &Visit, product_id: &str, quantity: &str) -> Result<(), ShopError> {
        let product = product(visit, product_id).await?;
        let quantity = Quantity::parse(quantity)?;
        let cart_id = visit.cart_id().await?.ok_or(ShopError::CartEmpty)?;
        visit
            .shop()
            .set_cart_quantity(cart_id, product, quantity)
            .await
    }

    pub async fn remove(visit: &Visit, product_id: &str) -> Result<(), ShopError> {
        let product_id = product_id.parse().map_err(|_| ShopError::UnknownProduct)?;
        match visit.cart_id().await? {
            Some(cart_id) => visit.shop().remove_from_cart(cart_id, product_id).await,
            None => Ok(()),
        }
    }

    async fn product(visit: &Visit, product_id: &str) -> Result<Product, ShopError> {
        let product_id = product_id.parse().map_err(|_| ShopError::UnknownProduct)?;
        visit.shop().product_by_id(product_id).await
    }
}
