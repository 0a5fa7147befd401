//! The form to find a customer's orders.

use leptos::prelude::*;

use crate::model::ShopError;

/// Redirects to the orders of the customer who has the order with this number and this e-mail
/// address, by a signed link that can be kept.
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
        .limit_order_guesses(visit.shop().orders().link_by_number(&number, &email))
        .await;
    let found = found.map(|link| format!("/orders/find?link={link}"));
    visit
        .answer(found, &[("number", &number), ("email", &email)])
        .await
}
