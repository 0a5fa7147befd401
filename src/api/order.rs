//! The form to find an order.

use leptos::prelude::*;

use crate::model::ShopError;

/// Redirects to the order with this number and this e-mail address.
///
/// # Errors
/// [`ShopError::UnknownOrder`], whichever of the two is wrong; [`ShopError::TooManyRequests`].
#[server(prefix = "/api/form", endpoint = "orders/find")]
pub async fn find_order(
    #[server(default)] number: String,
    #[server(default)] email: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let found = visit
        .limit_order_guesses(visit.shop().orders().id_by_number(&number, &email))
        .await;
    let found = found.map(|id| format!("/orders/{id}"));
    visit
        .answer(found, &[("number", &number), ("email", &email)])
        .await
}
