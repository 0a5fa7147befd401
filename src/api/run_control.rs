//! What the leader of a run wishes of it: to pause, to go on, to stop.

use leptos::prelude::*;

use crate::model::ShopError;

/// Has a run pause, go on, stop or be aborted, whichever server it runs on. `wish` is that of `model::RunWish`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownSimulation`]; [`ShopError::SimulationOver`]; [`ShopError::Invalid`] for another wish.
#[server(prefix = "/api/form", endpoint = "admin/control-simulation")]
pub async fn control_simulation(
    #[server(default)] id: String,
    #[server(default)] wish: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let done = server::control(&visit, &id, &wish).await;
    visit.answer(done, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{RunWish, ShopError},
        simulation::store,
        web::session::Visit,
    };

    /// Notes the wish where every server reads it, and hands it over at once if the run is here. Returns the run's page.
    pub async fn control(visit: &Visit, id: &str, wish: &str) -> Result<String, ShopError> {
        let id = Uuid::try_parse(id).map_err(|_| ShopError::UnknownSimulation)?;
        let wish = RunWish::named(wish)
            .ok_or_else(|| ShopError::Invalid(format!("{wish} is nothing that a run can do")))?;
        store::wish(visit.shop().db(), id, wish).await?;
        if let Some(run) = visit.engine().runs().get(id) {
            run.follow(wish);
        }
        Ok(format!("/admin/simulations/{id}"))
    }
}
