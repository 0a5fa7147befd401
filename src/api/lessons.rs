//! The form to run a regression card.

use leptos::prelude::*;

use crate::model::ShopError;

/// Runs a card on the database and redirects to its result. `lesson` is the key of a
/// `model::LessonKey`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::Invalid`] for an unknown card; errors of the database
/// or of the payment provider.
#[server(prefix = "/api/form", endpoint = "admin/run-lesson")]
pub async fn run_lesson(
    #[server(default)] idempotency_key: String,
    #[server(default)] lesson: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::play(&visit, &administrator, &idempotency_key, &lesson).await;
    visit.answer(result, &[("lesson", &lesson)]).await
}

#[cfg(feature = "ssr")]
mod server {
    use crate::{
        model::{LessonKey, ShopError},
        shop::administrator::Administrator,
        simulation::lessons,
        web::session::Visit,
    };

    pub async fn play(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        lesson: &str,
    ) -> Result<String, ShopError> {
        let lesson = LessonKey::named(lesson)
            .ok_or_else(|| ShopError::Invalid("there is no such lesson".to_owned()))?;
        let claim =
            visit.claim_of_administrator(administrator, key, "run-lesson", &[lesson.as_str()])?;
        lessons::play(administrator, visit.shop(), lesson, claim).await?;
        Ok(format!("/admin/lessons#{lesson}"))
    }
}
