//! The checkout's form.

use leptos::prelude::*;

use crate::model::ShopError;

/// Places the order of the cart, and leads to its page. The same form sent twice is one order.
///
/// # Errors
/// What [`crate::shop::Shop::place_order`] refuses; the form then says why and keeps what was typed.
#[server(prefix = "/api/form", endpoint = "checkout/place-order")]
pub async fn place_order(
    #[server(default)] idempotency_key: String,
    #[server(default)] cart_id: String,
    #[server(default)] name: String,
    #[server(default)] email: String,
    #[server(default)] street: String,
    #[server(default)] postal_code: String,
    #[server(default)] city: String,
    #[server(default)] country: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let contact = crate::model::Contact {
        name,
        email,
        street,
        postal_code,
        city,
        country,
    };
    let done = server::place_order(&visit, &idempotency_key, &cart_id, &contact).await;
    let done = done.map(|order_id| format!("/orders/{order_id}"));
    visit.answer(done, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{Contact, ShopError},
        shop::checkout::{self, OrderRequest},
        web::session::Visit,
    };

    /// The form names its cart, so that a second press after the first one's answer finds the same request under its key.
    pub async fn place_order(
        visit: &Visit,
        key: &str,
        cart_id: &str,
        typed: &Contact,
    ) -> Result<String, ShopError> {
        let own = visit.cart_id().await?.ok_or(ShopError::CartEmpty)?;
        if Uuid::try_parse(cart_id) != Ok(own) {
            return Err(ShopError::CartEmpty);
        }
        let placed = place(visit, own, key, typed).await;
        if matches!(&placed, Err(error) if error.status() != 503) {
            // A draft that cannot be kept is logged where it failed; the refusal matters more to the shopper.
            let _ = visit.shop().keep_draft(own, typed).await;
        }
        placed
    }

    async fn place(
        visit: &Visit,
        cart_id: Uuid,
        key: &str,
        typed: &Contact,
    ) -> Result<String, ShopError> {
        let contact = checkout::check_contact(typed)?;
        let claim = checkout::claim(key, cart_id, &contact)?;
        let request = OrderRequest {
            cart_id,
            contact,
            claim,
            lane_id: None,
        };
        let outcome = visit.shop().place_order(request).await;
        Ok(outcome.result?.order_id)
    }
}
