//! The form to start a simulated flash sale.

use leptos::prelude::*;

use crate::model::{
    ShopError,
    plan::{OneOrMany, PlanForm},
};

/// Starts a run and redirects to its page. `strategy` has one key or several, as sent by
/// checkboxes.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::FieldsInvalid`] for a plan out of range;
/// [`ShopError::SimulationBusy`].
#[server(prefix = "/api/form", endpoint = "admin/simulate")]
pub async fn start_simulation(
    #[server(default)] idempotency_key: String,
    #[server(default)] strategy: OneOrMany<String>,
    #[server(flatten)] plan: PlanForm,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let form = server::with_strategies(plan, strategy);
    let result = server::start(&visit, &administrator, &idempotency_key, &form).await;
    let mut typed = form.fields();
    if let Some(field) = result.as_ref().err().and_then(server::field_of) {
        typed.push((crate::web::session::PROBLEM_IN, field));
    }
    let result = result.map(|id| format!("/admin/simulations/{id}"));
    visit.answer(result, &typed).await
}

#[cfg(feature = "ssr")]
mod server {
    use std::time::Duration;

    use uuid::Uuid;

    use crate::{
        model::{
            ShopError,
            plan::{OneOrMany, PlanForm},
        },
        shop::{administrator::Administrator, idempotency::Claim},
        simulation::{Engine, RunStart, SimulationError, StartedRun, store},
        web::session::Visit,
    };

    /// How often the second of two clicks polls for the run of the first.
    const START_POLLS_MAX: u32 = 15;
    const START_POLL_INTERVAL: Duration = Duration::from_millis(100);

    /// Returns the plan with the selected strategies, if the form sent checkboxes.
    pub fn with_strategies(plan: PlanForm, selected: OneOrMany<String>) -> PlanForm {
        let selected = Vec::from(selected);
        if selected.is_empty() {
            return plan;
        }
        PlanForm {
            strategies: selected.join(","),
            ..plan
        }
    }

    /// Returns the field of an error that names none itself.
    pub const fn field_of(error: &ShopError) -> Option<&'static str> {
        match error {
            ShopError::UnknownProduct => Some("target"),
            ShopError::StrategyUnknown
            | ShopError::StrategyUnsafe(_)
            | ShopError::StrategyLaneOnly(_)
            | ShopError::StrategyNotOnEngine { .. }
            | ShopError::StrategyNeedsRedis(_) => Some("strategy"),
            _ => None,
        }
    }

    pub async fn start(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        form: &PlanForm,
    ) -> Result<Uuid, ShopError> {
        let parts: Vec<_> = form.fields().into_iter().map(|(_, value)| value).collect();
        let claim = visit.claim_of_administrator(administrator, key, "simulate", &parts)?;
        let engine = visit.engine(administrator).clone();
        let plan = form.parse()?;
        match engine.start_once(administrator, plan, claim.clone()).await {
            Ok(RunStart::New(started)) => Ok(run(engine, *started)),
            Ok(RunStart::Existing(id)) => Ok(id),
            // The first of two clicks may have started the running simulation.
            Err(SimulationError::Busy) => match claim {
                Some(claim) => wait_for_start(visit, claim).await,
                None => Err(ShopError::SimulationBusy),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the run of the first click, which may still be opening its connections.
    async fn wait_for_start(visit: &Visit, claim: Claim) -> Result<Uuid, ShopError> {
        for _ in 0..START_POLLS_MAX {
            if let Some(id) = store::find_by_key(visit.shop().db(), claim.clone()).await? {
                return Ok(id);
            }
            tokio::time::sleep(START_POLL_INTERVAL).await;
        }
        Err(ShopError::SimulationBusy)
    }

    fn run(engine: Engine, started: StartedRun) -> Uuid {
        let id = started.id();
        tokio::spawn(async move {
            if let Err(error) = engine.finish(started, &[], |_| {}).await {
                tracing::error!(%error, run = %id, "simulation ended without a verdict");
            }
        });
        id
    }

    impl From<SimulationError> for ShopError {
        fn from(error: SimulationError) -> Self {
            match error {
                SimulationError::Shop(error) => error,
                SimulationError::Busy | SimulationError::LockLost => Self::SimulationBusy,
                SimulationError::Interrupted => Self::SimulationOver,
                SimulationError::Connect(_) => Self::Unavailable { retry_after_s: 2 },
                SimulationError::Client(error) => Self::Invalid(error.to_string()),
                SimulationError::OwnServers(error) => Self::Invalid(error.to_string()),
                SimulationError::Panicked(_) => Self::Internal {
                    incident: "run-panicked".to_owned(),
                },
            }
        }
    }
}
