//! The form about the subscription to events.

use leptos::prelude::*;

use crate::model::ShopError;

/// Executes the action of the clicked button. `act` is `subscribe`, `unsubscribe` or `send-again`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of [`crate::shop::outbox::OutboxAdministration`].
#[server(prefix = "/api/form", endpoint = "admin/events")]
pub async fn act_on_events(
    #[server(default)] act: String,
    #[server(default)] destination: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let outbox = visit.shop().outbox_administration(&administrator);
    let result = match act.as_str() {
        "subscribe" => outbox.subscribe(&destination).await,
        "unsubscribe" => outbox.unsubscribe().await,
        "send-again" => outbox.send_again().await,
        _ => Err(ShopError::Invalid(
            "act must be subscribe, unsubscribe or send-again".to_owned(),
        )),
    };
    visit
        .answer(
            result.map(|()| "/admin/events".to_owned()),
            &[("destination", &destination)],
        )
        .await
}
