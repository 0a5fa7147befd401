//! Starting a simulated flash sale.

#![allow(
    clippy::too_many_arguments,
    reason = "a server function has one for each field of its form"
)]

use leptos::prelude::*;

use crate::model::{ShopError, plan::OneOrMany};

/// Starts a run, and leads to its page.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::FieldsInvalid`] for a plan out of range; [`ShopError::SimulationBusy`].
#[server(prefix = "/api/form", endpoint = "admin/simulate")]
pub async fn start_simulation(
    #[server(default)] idempotency_key: String,
    #[server(default)] target: String,
    #[server(default)] strategy: OneOrMany<String>,
    #[server(default)] buyers: String,
    #[server(default)] stock: String,
    #[server(default)] quantity: String,
    #[server(default)] rounds: String,
    #[server(default)] race_window_ms: String,
    #[server(default)] seed: String,
    #[server(default)] together: String,
    #[server(default)] arrivals: String,
    #[server(default)] rate_per_s: String,
    #[server(default)] ramp_ms: String,
    #[server(default)] think_time_ms: String,
    #[server(default)] pool_size: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let form = server::PlanForm {
        target,
        strategies: Vec::from(strategy).join(","),
        buyers,
        stock,
        quantity,
        rounds,
        race_window_ms,
        seed,
        together,
        arrivals,
        rate_per_s,
        ramp_ms,
        think_time_ms,
        pool_size,
    };
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
            FieldError, Quantity, ShopError, SimulationPlan, StrategyKey,
            plan::{Arrivals, Quantities},
        },
        shop::idempotency::Claim,
        simulation::{Engine, SimulationError, Start, StartedRun, store},
        web::session::Visit,
    };

    /// How often the second of two presses looks for the run of the first.
    const START_LOOKS_MAX: u32 = 15;
    const START_LOOK_EVERY: Duration = Duration::from_millis(100);

    /// What was typed. A form from before a field was there leaves it empty, and gets the preset's.
    pub struct PlanForm {
        pub target: String,
        /// Comma-separated.
        pub strategies: String,
        pub buyers: String,
        pub stock: String,
        pub quantity: String,
        pub rounds: String,
        pub race_window_ms: String,
        pub seed: String,
        pub together: String,
        pub arrivals: String,
        pub rate_per_s: String,
        pub ramp_ms: String,
        pub think_time_ms: String,
        pub pool_size: String,
    }

    impl PlanForm {
        pub fn fields(&self) -> [(&'static str, &str); 14] {
            [
                ("target", &self.target),
                ("strategy", &self.strategies),
                ("buyers", &self.buyers),
                ("stock", &self.stock),
                ("quantity", &self.quantity),
                ("rounds", &self.rounds),
                ("race_window_ms", &self.race_window_ms),
                ("seed", &self.seed),
                ("together", &self.together),
                ("arrivals", &self.arrivals),
                ("rate_per_s", &self.rate_per_s),
                ("ramp_ms", &self.ramp_ms),
                ("think_time_ms", &self.think_time_ms),
                ("pool_size", &self.pool_size),
            ]
        }

        /// Names everything that is wrong at once: what is no number is checked on with the preset's.
        fn parse(&self) -> Result<SimulationPlan, ShopError> {
            let preset = SimulationPlan::preset();
            let mut errors = Vec::new();
            let mut number = |field: &str, typed: &str, preset: u64| {
                typed.trim().parse::<u64>().unwrap_or_else(|_| {
                    errors.push(field_error(field, "Please enter a whole number."));
                    preset
                })
            };
            let mut optional = |field: &str, typed: &str, preset: u64| {
                if typed.trim().is_empty() {
                    return preset;
                }
                number(field, typed, preset)
            };
            // What does not fit is larger than any limit, and is refused by the plan itself.
            let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            let ramp_ms = small(optional("ramp_ms", &self.ramp_ms, 0));
            let think_time_ms = small(optional("think_time_ms", &self.think_time_ms, 0));
            let pool_size = small(optional(
                "pool_size",
                &self.pool_size,
                preset.pool_size.into(),
            ));
            let arrivals = match self.arrivals.as_str() {
                "open" => Arrivals::Open {
                    rate_per_s: small(number("rate_per_s", &self.rate_per_s, 1)),
                },
                _ => Arrivals::Closed,
            };
            let plan = SimulationPlan {
                buyers: small(number("buyers", &self.buyers, preset.buyers.into())),
                stock: small(number("stock", &self.stock, preset.stock.into())),
                rounds: small(number("rounds", &self.rounds, preset.rounds.into())),
                race_window_ms: small(number("race_window_ms", &self.race_window_ms, 0)),
                seed: number("seed", &self.seed, preset.seed),
                quantities: Quantities::parse(&self.quantity).unwrap_or_else(|error| {
                    errors.push(field_error("quantity", &error.to_string()));
                    Quantities::Fixed(Quantity::ONE)
                }),
                strategies: self.strategies()?,
                lanes_together: !self.together.is_empty(),
                arrivals,
                ramp_ms,
                think_time_ms,
                pool_size,
                product_id: self.product_id()?,
                ..preset
            };
            match plan.validate() {
                Ok(plan) if errors.is_empty() => Ok(plan),
                Err(ShopError::FieldsInvalid(more)) => {
                    errors.extend(more);
                    Err(ShopError::FieldsInvalid(errors))
                }
                Err(other) if errors.is_empty() => Err(other),
                _ => Err(ShopError::FieldsInvalid(errors)),
            }
        }

        fn strategies(&self) -> Result<Vec<StrategyKey>, ShopError> {
            let chosen = self.strategies.split(',').filter(|key| !key.is_empty());
            chosen.map(str::parse).collect()
        }

        fn product_id(&self) -> Result<Option<i64>, ShopError> {
            match self.target.as_str() {
                "lane" => Ok(None),
                id => id.parse().map(Some).map_err(|_| ShopError::UnknownProduct),
            }
        }
    }

    fn field_error(field: &str, message: &str) -> FieldError {
        FieldError {
            field: field.to_owned(),
            message: message.to_owned(),
        }
    }

    pub async fn start(visit: &Visit, key: &str, form: &PlanForm) -> Result<Uuid, ShopError> {
        let parts = form.fields().map(|(_, value)| value);
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
