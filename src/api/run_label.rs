//! The form that names a run.

use leptos::prelude::*;

use crate::model::ShopError;

/// Gives a run another name and another note. Without a name, the run is called by the title of its
/// plan.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownSimulation`]; [`ShopError::FieldsInvalid`] if a
/// text is too long.
#[server(prefix = "/api/form", endpoint = "admin/rename-simulation")]
pub async fn rename_simulation(
    #[server(default)] id: String,
    #[server(default)] name: String,
    #[server(default)] note: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::rename(&visit, &administrator, &id, &name, &note).await;
    visit
        .answer(result, &[("name", &name), ("note", &note)])
        .await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{ShopError, run_label::RunLabel},
        shop::administrator::Administrator,
        simulation::store,
        web::session::Visit,
    };

    /// Stores the label, and shows it at once if this server executes the run. Returns the path of
    /// the run's page.
    pub async fn rename(
        visit: &Visit,
        administrator: &Administrator,
        id: &str,
        name: &str,
        note: &str,
    ) -> Result<String, ShopError> {
        let id = Uuid::try_parse(id).map_err(|_| ShopError::UnknownSimulation)?;
        let label = RunLabel::parse(name, note)?;
        store::rename(administrator, visit.shop().db(), id, label.clone()).await?;
        if let Some(run) = visit.runs().get(id) {
            run.rename(label);
        }
        Ok(format!("/admin/simulations/{id}"))
    }
}
