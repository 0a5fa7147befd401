//! Starting a simulated flash sale.

use leptos::prelude::*;

use crate::model::ShopError;

/// Starts a run, and leads to its page.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::FieldsInvalid`] for a plan out of range; [`ShopError::SimulationBusy`].
#[server(prefix = "/api/form", endpoint = "admin/simulate")]
pub async fn start_simulation(
    #[server(default)] target: String,
    #[server(default)] strategy: String,
    #[server(default)] buyers: String,
    #[server(default)] stock: String,
    #[server(default)] quantity: String,
    #[server(default)] rounds: String,
    #[server(default)] race_window_ms: String,
    #[server(default)] seed: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let form = server::PlanForm {
        target,
        strategy,
        buyers,
        stock,
        quantity,
        rounds,
        race_window_ms,
        seed,
    };
    let done = server::start(&visit, &form).await;
    let done = done.map(|id| format!("/admin/simulations/{id}"));
    visit.answer(done, &form.fields()).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{FieldError, Quantity, ShopError, SimulationPlan, plan::Journey},
        simulation::SimulationError,
        web::session::Visit,
    };

    /// What was typed.
    pub struct PlanForm {
        pub target: String,
        pub strategy: String,
        pub buyers: String,
        pub stock: String,
        pub quantity: String,
        pub rounds: String,
        pub race_window_ms: String,
        pub seed: String,
    }

    impl PlanForm {
        pub fn fields(&self) -> [(&'static str, &str); 8] {
            [
                ("target", &self.target),
                ("strategy", &self.strategy),
                ("buyers", &self.buyers),
                ("stock", &self.stock),
                ("quantity", &self.quantity),
                ("rounds", &self.rounds),
                ("race_window_ms", &self.race_window_ms),
                ("seed", &self.seed),
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
            // What does not fit is larger than any limit, and is refused by the plan itself.
            let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            let plan = SimulationPlan {
                buyers: small(number("buyers", &self.buyers, preset.buyers.into())),
                stock: small(number("stock", &self.stock, preset.stock.into())),
                rounds: small(number("rounds", &self.rounds, preset.rounds.into())),
                race_window_ms: small(number("race_window_ms", &self.race_window_ms, 0)),
                seed: number("seed", &self.seed, preset.seed),
                quantity: Quantity::parse(&self.quantity).unwrap_or_else(|error| {
                    errors.push(field_error("quantity", &error.to_string()));
                    Quantity::ONE
                }),
                strategy: self.strategy.parse()?,
                product_id: self.product_id()?,
                journey: Journey::Express,
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

    pub async fn start(visit: &Visit, form: &PlanForm) -> Result<Uuid, ShopError> {
        let engine = visit.engine().clone();
        let started = engine.start(form.parse()?).await?;
        let id = started.id();
        tokio::spawn(async move {
            if let Err(error) = engine.finish(started, &[], |_| {}).await {
                tracing::error!(%error, run = %id, "the simulation came to no verdict");
            }
        });
        Ok(id)
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
