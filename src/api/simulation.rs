//! Starting a simulated flash sale.

use leptos::prelude::*;

use crate::model::{
    ShopError,
    plan::{OneOrMany, PlanForm},
};

/// Starts a run, and leads to its page. `strategy` has one key or several, as boxes that are ticked send them.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::FieldsInvalid`] for a plan out of range; [`ShopError::SimulationBusy`].
#[server(prefix = "/api/form", endpoint = "admin/simulate")]
pub async fn start_simulation(
    #[server(default)] idempotency_key: String,
    #[server(default)] strategy: OneOrMany<String>,
    #[server(flatten)] plan: PlanForm,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let form = server::with_ticked(plan, strategy);
    let done = server::start(&visit, &idempotency_key, &form).await;
    let done = done.map(|id| format!("/admin/simulations/{id}"));
    visit.answer(done, &form.fields()).await
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
        shop::idempotency::Claim,
        simulation::{Engine, SimulationError, Start, StartedRun, store},
        web::session::Visit,
    };

    /// How often the second of two presses looks for the run of the first.
    const START_LOOKS_MAX: u32 = 15;
    const START_LOOK_EVERY: Duration = Duration::from_millis(100);

    /// The plan with the strategies that were ticked, if boxes were sent.
    pub fn with_ticked(plan: PlanForm, ticked: OneOrMany<String>) -> PlanForm {
        let ticked = Vec::from(ticked);
        if ticked.is_empty() {
            return plan;
        }
        PlanForm {
            strategies: ticked.join(","),
            ..plan
        }
    }

    pub async fn start(visit: &Visit, key: &str, form: &PlanForm) -> Result<Uuid, ShopError> {
        let parts: Vec<_> = form.fields().into_iter().map(|(_, value)| value).collect();
        let claim = visit.claim(key, "simulate", &parts)?;
        let engine = visit.engine().clone();
        match engine.start_once(form.parse()?, claim.clone()).await {
            Ok(Start::New(started)) => Ok(run(engine, *started)),
            Ok(Start::Known(id)) => Ok(id),
            // Perhaps with the run of the first of two presses.
            Err(SimulationError::Busy) => match claim {
                Some(claim) => wait_for_start(visit, claim).await,
                None => Err(ShopError::SimulationBusy),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The first press may still be opening its connections.
    async fn wait_for_start(visit: &Visit, claim: Claim) -> Result<Uuid, ShopError> {
        for _ in 0..START_LOOKS_MAX {
            if let Some(id) = store::started_under(visit.shop().db(), claim.clone()).await? {
                return Ok(id);
            }
            tokio::time::sleep(START_LOOK_EVERY).await;
        }
        Err(ShopError::SimulationBusy)
    }

    fn run(engine: Engine, started: StartedRun) -> Uuid {
        let id = started.id();
        tokio::spawn(async move {
            if let Err(error) = engine.finish(started, &[], |_| {}).await {
                tracing::error!(%error, run = %id, "the simulation came to no verdict");
            }
        });
        id
    }

    impl From<SimulationError> for ShopError {
        fn from(error: SimulationError) -> Self {
            match error {
                SimulationError::Shop(error) => error,
                SimulationError::Busy => Self::SimulationBusy,
                SimulationError::Connect(_) => Self::Unavailable { retry_after_s: 2 },
                SimulationError::Client(error) => Self::Invalid(error.to_string()),
            }
        }
    }
}
