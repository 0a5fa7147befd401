//! The form about dead letters of the queue.

use leptos::prelude::*;

use crate::model::ShopError;

/// Executes the action of the clicked button on a dead letter. `act` is `put-back` or `reject`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of [`crate::shop::queue::QueueAdministration`].
#[server(prefix = "/api/form", endpoint = "admin/dead-letter")]
pub async fn act_on_dead_letter(
    #[server(default)] id: String,
    #[server(default)] act: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let queue = visit.shop().queue_administration(&administrator);
    let result = match act.as_str() {
        "put-back" => queue.put_back(&id).await,
        "reject" => queue.reject(&id).await,
        _ => Err(ShopError::Invalid(
            "act must be put-back or reject".to_owned(),
        )),
    };
    visit
        .answer(result.map(|()| "/admin/queue".to_owned()), &[])
        .await
}
