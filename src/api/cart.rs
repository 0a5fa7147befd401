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
    let was_carried_out = visit.was_carried_out(&idempotency_key).await;
    let result = server::add(&visit, &idempotency_key, &product_id, &quantity).await;
    if was_carried_out && result.is_ok() {
        let notice = ShopError::AlreadyCarriedOut;
        visit.leave_notice("/cart", &notice).await;
    }
    let result = result.map(|_| "/cart".to_owned());
    visit.answer(result, &[("quantity", &quantity)]).await
}

/// Adds a product to the cart, reserves the cart's stock, and redirects to the checkout.
///
/// # Errors
/// The errors of [`add_to_cart`] and of [`crate::shop::reservations::Reservations::reserve`].
#[server(prefix = "/api/form", endpoint = "cart/buy-now")]
pub async fn buy_now(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let was_carried_out = visit.was_carried_out(&idempotency_key).await;
    let result = server::buy_now(&visit, &idempotency_key, &product_id, &quantity).await;
    let result = match result {
        // The cart of the first time has been paid.
        Err(ShopError::CartEmpty) if was_carried_out => Err(ShopError::AlreadyCarriedOut),
        result => result.map(|()| "/checkout".to_owned()),
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
    visit.answer(result, &[(&typed, &quantity)]).await
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
    visit.answer(result, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{Quantity, ShopError},
        shop::{cart::KeyedCart, idempotency::Claim},
        web::session::Visit,
    };

    pub async fn add(
        visit: &Visit,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<Uuid, ShopError> {
        let new = parse(visit, key, product_id, quantity).await?;
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
        product_id: &str,
        quantity: &str,
    ) -> Result<AddForm, ShopError> {
        let typed = [product_id, quantity];
        let (product_id, quantity) = (
            shop_product(visit, product_id).await?,
            Quantity::parse(quantity)?,
        );
        let cart_id = visit.cart_id_for_new_lines().await?;
        let cart_id = cart_id.unwrap_or_else(|| visit.id_of_new_cart());
        Ok(AddForm {
            cart_id,
            product_id,
            quantity,
            claim: visit.claim_of_new_cart(cart_id, key, "add to cart", &typed)?,
        })
    }

    pub async fn buy_now(
        visit: &Visit,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<(), ShopError> {
        let new = parse(visit, key, product_id, quantity).await?;
        let carts = visit.shop().carts();
        let cart_id = carts
            .add_and_reserve(Some(new.cart_id), new.product_id, new.quantity, new.claim)
            .await?;
        visit.set_cart_id(cart_id).await?;
        // The key may have been used to add without reserving.
        let outcome = visit.shop().reservations().reserve(cart_id, None).await;
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
