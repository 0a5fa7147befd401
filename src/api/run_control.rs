//! The form to pause, resume, stop or abort a run.

use leptos::prelude::*;

use crate::model::ShopError;

/// Pauses, resumes, stops or aborts a run, on any server. `command` is the key of a
/// `model::RunCommand`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::UnknownSimulation`]; [`ShopError::SimulationOver`];
/// [`ShopError::Invalid`] for an unknown command.
#[server(prefix = "/api/form", endpoint = "admin/control-simulation")]
pub async fn control_simulation(
    #[server(default)] id: String,
    #[server(default)] command: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::control(&visit, &administrator, &id, &command).await;
    let page = server::page_of(&id);
    visit.answer_from(&page, result, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{RunCommand, ShopError},
        shop::administrator::Administrator,
        simulation::store,
        web::session::Visit,
    };

    /// Returns the page of a run, or the list of runs if there is no such id.
    pub fn page_of(id: &str) -> String {
        match Uuid::try_parse(id) {
            Ok(id) => format!("/admin/simulations/{id}"),
            Err(_) => "/admin/simulations/runs".to_owned(),
        }
    }

    /// Stores the command in the database, where every server reads it, and applies it at once if
    /// this server executes the run; otherwise it announces the command. Returns the path of the
    /// run's page.
    pub async fn control(
        visit: &Visit,
        administrator: &Administrator,
        id: &str,
        command: &str,
    ) -> Result<String, ShopError> {
        let id = Uuid::try_parse(id).map_err(|_| ShopError::UnknownSimulation)?;
        let command = RunCommand::named(command)
            .ok_or_else(|| ShopError::Invalid(format!("{command} is not a run command")))?;
        store::set_command(administrator, visit.shop().db(), id, command).await?;
        match visit.runs().get(id) {
            Some(run) => run.apply_command(command),
            None => visit.shop().feed().announce_run_command(id),
        }
        Ok(format!("/admin/simulations/{id}"))
    }
}
