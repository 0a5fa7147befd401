//! The plan that the fields of a form describe, or what is wrong with each of them.

use super::{LANE, PlanForm};
use crate::model::{
    FieldError, Quantity, ShopError, SimulationPlan, StrategyKey,
    plan::{Arrivals, FaultKind, Faults, Journey, Quantities, Share, Thresholds, Writers},
};

impl PlanForm {
    /// Parses the form and reports all errors at once. An invalid number is replaced by the
    /// preset's for the remaining checks.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`]; [`ShopError::StrategyUnknown`]; [`ShopError::UnknownProduct`];
    /// the errors of [`SimulationPlan::validate`].
    pub fn parse(&self) -> Result<SimulationPlan, ShopError> {
        let mut parser = Parser::default();
        let plan = self.plan(&mut parser)?;
        let mut errors = parser.errors;
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

    fn plan(&self, parser: &mut Parser) -> Result<SimulationPlan, ShopError> {
        let preset = SimulationPlan::preset();
        let strategies = self.strategies()?;
        let lanes_together = !self.together.is_empty();
        let own_servers = parser.optional("servers", &self.servers).unwrap_or(0);
        let writers = self.writers(parser);
        let lanes = strategies.len() * writers.map_or(1, |writers| writers.lanes().len());
        let fitted_pool_size = SimulationPlan::fitted_pool_size(lanes, lanes_together, own_servers);
        Ok(SimulationPlan {
            strategies,
            lanes_together,
            buyers: parser.number("buyers", &self.buyers, preset.buyers),
            stock: parser.number("stock", &self.stock, preset.stock),
            quantities: self.quantities(parser),
            rounds: parser.number("rounds", &self.rounds, preset.rounds),
            seed: parser.whole("seed", &self.seed).unwrap_or(preset.seed),
            arrivals: self.arrivals(parser),
            ramp_ms: parser.optional("ramp_ms", &self.ramp_ms).unwrap_or(0),
            think_time_ms: parser
                .optional("think_time_ms", &self.think_time_ms)
                .unwrap_or(0),
            race_window_ms: parser.number("race_window_ms", &self.race_window_ms, 0),
            journey: self.journey(parser),
            pool_size: parser
                .optional("pool_size", &self.pool_size)
                .unwrap_or(fitted_pool_size),
            faults: self.faults(parser),
            thresholds: Thresholds {
                p99_ms_max: parser.limit("p99_ms_max", &self.p99_ms_max),
                failed_max: parser.limit("failed_max", &self.failed_max),
                retries_max: parser.limit("retries_max", &self.retries_max),
                orders_per_second_min: parser
                    .limit("orders_per_second_min", &self.orders_per_second_min),
            },
            product_id: self.product_id()?,
            guess: parser.limit("guess", &self.guess),
            // Only the command line names running servers.
            servers: 0,
            own_servers,
            writers,
        })
    }

    fn strategies(&self) -> Result<Vec<StrategyKey>, ShopError> {
        let chosen = self.strategies.split(',').map(str::trim);
        chosen
            .filter(|key| !key.is_empty())
            .map(str::parse)
            .collect()
    }

    fn quantities(&self, parser: &mut Parser) -> Quantities {
        Quantities::parse(&self.quantity).unwrap_or_else(|error| {
            let message = match error {
                ShopError::Invalid(why) => format!("Correct the quantity: {why}."),
                other => other.to_string(),
            };
            parser.add_error("quantity", &message);
            Quantities::Fixed(Quantity::ONE)
        })
    }

    fn arrivals(&self, parser: &mut Parser) -> Arrivals {
        match self.arrivals.as_str() {
            "open" => Arrivals::Open {
                rate_per_s: parser.number("rate_per_s", &self.rate_per_s, 1),
            },
            "closed" | "" => Arrivals::Closed,
            _ => {
                parser.add_error("arrivals", "Choose open or closed arrivals.");
                Arrivals::Closed
            }
        }
    }

    fn journey(&self, parser: &mut Parser) -> Journey {
        if self.journey.is_empty() {
            return Journey::default();
        }
        Journey::named(&self.journey).unwrap_or_else(|| {
            parser.add_error("journey", "Choose one of the journeys.");
            Journey::default()
        })
    }

    fn writers(&self, parser: &mut Parser) -> Option<Writers> {
        let writers = Writers::named(&self.writers);
        if writers.is_none() && !self.writers.is_empty() {
            parser.add_error("writers", "Choose one writer node, all nodes, or both.");
        }
        writers
    }

    fn faults(&self, parser: &mut Parser) -> Faults {
        let shares = [
            (FaultKind::Freeze, "freeze", &self.freeze),
            (
                FaultKind::SlowStatement,
                "slow_statement",
                &self.slow_statement,
            ),
            (
                FaultKind::DropConnection,
                "drop_connection",
                &self.drop_connection,
            ),
            (FaultKind::Abandon, "abandon", &self.abandon),
            (FaultKind::DoubleClick, "double_click", &self.double_click),
        ];
        Faults::of(shares.map(|(kind, field, typed)| (kind, parser.share(field, typed))))
    }

    fn product_id(&self) -> Result<Option<i64>, ShopError> {
        match self.target.as_str() {
            LANE | "" => Ok(None),
            id => id.parse().map(Some).map_err(|_| ShopError::UnknownProduct),
        }
    }
}

/// Parses numbers and collects an error for each invalid one.
#[derive(Default)]
struct Parser {
    errors: Vec<FieldError>,
}

impl Parser {
    fn add_error(&mut self, field: &str, message: &str) {
        self.errors.push(FieldError::new(field, message));
    }

    fn whole(&mut self, field: &str, typed: &str) -> Option<u64> {
        let number = typed.trim().parse().ok();
        if number.is_none() {
            self.add_error(field, "Enter a whole number.");
        }
        number
    }

    /// A number that overflows becomes the maximum, which the plan's validation rejects.
    fn number(&mut self, field: &str, typed: &str, preset: u32) -> u32 {
        self.whole(field, typed)
            .map_or(preset, |number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn optional(&mut self, field: &str, typed: &str) -> Option<u32> {
        if typed.trim().is_empty() {
            return None;
        }
        Some(self.number(field, typed, 0))
    }

    /// Parses an optional number that no rule of the plan limits. One that does not fit is an
    /// error: it must not become another number.
    fn limit(&mut self, field: &str, typed: &str) -> Option<u32> {
        if typed.trim().is_empty() {
            return None;
        }
        let number = self.whole(field, typed)?;
        let fitting = u32::try_from(number).ok();
        if fitting.is_none() {
            self.add_error(field, "Enter a whole number up to 4,294,967,295.");
        }
        fitting
    }

    /// Parses a percentage; empty is 0.
    fn share(&mut self, field: &str, typed: &str) -> Share {
        if typed.trim().is_empty() {
            return Share::default();
        }
        Share::parse(typed).unwrap_or_else(|_| {
            self.add_error(field, "Enter a percentage from 0 to 100.");
            Share::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_that_run_at_the_same_time_share_the_connections_unless_the_form_says_otherwise() {
        for (lanes, together, expected) in [
            (1, "", 16),
            (6, "", 16),
            (1, "yes", 16),
            (4, "yes", 16),
            (6, "yes", 10),
            (15, "yes", 4),
        ] {
            let strategies = StrategyKey::ALL.map(StrategyKey::as_str);
            let form = PlanForm {
                strategies: strategies[..lanes].join(","),
                together: together.to_owned(),
                ..PlanForm::from(&SimulationPlan::preset())
            };
            assert_eq!(form.pool_size, "");
            let plan = form.parse().expect("it fits");
            assert_eq!(
                plan.pool_size, expected,
                "{lanes} lanes, together: {together:?}"
            );
            assert_eq!(PlanForm::from(&plan).pool_size, "", "a repeat fits again");
        }
        let typed = PlanForm {
            strategies: "row-lock,optimistic,buckets,serializable,unguarded".to_owned(),
            together: "yes".to_owned(),
            pool_size: "16".to_owned(),
            ..PlanForm::from(&SimulationPlan::preset())
        };
        let error = typed.parse().expect_err("a typed number is not changed");
        let message = error.field_message("pool_size").expect("beside its field");
        assert!(message.contains("at most 12 connections each"), "{message}");
    }

    #[test]
    fn the_servers_of_a_run_share_the_connections() {
        for (typed, servers, connections) in [
            ("", 0, 16),
            ("0", 0, 16),
            ("4", 4, 16),
            ("5", 5, 12),
            ("8", 8, 8),
        ] {
            let form = PlanForm {
                servers: typed.to_owned(),
                ..PlanForm::from(&SimulationPlan::preset())
            };
            let plan = form.parse().expect("it fits");
            assert_eq!((plan.own_servers, plan.pool_size), (servers, connections));
            assert_eq!(PlanForm::from(&plan).pool_size, "", "a repeat fits again");
        }
        for nonsense in ["9", "-1", "many", "4294967296"] {
            let form = PlanForm {
                servers: nonsense.to_owned(),
                ..PlanForm::from(&SimulationPlan::preset())
            };
            let error = form.parse().expect_err("no such number of servers");
            assert!(error.field_message("servers").is_some(), "{nonsense}");
        }
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let form = PlanForm {
            buyers: "0".to_owned(),
            stock: "some".to_owned(),
            freeze: "101".to_owned(),
            journey: "on foot".to_owned(),
            writers: "two".to_owned(),
            p99_ms_max: "fast".to_owned(),
            failed_max: "4294967296".to_owned(),
            arrivals: "sometimes".to_owned(),
            quantity: "4..2".to_owned(),
            ..PlanForm::from(&SimulationPlan::preset())
        };
        let error = form.parse().expect_err("the plan is invalid");
        for field in [
            "buyers",
            "stock",
            "freeze",
            "journey",
            "writers",
            "p99_ms_max",
            "failed_max",
            "arrivals",
            "quantity",
        ] {
            assert!(error.field_message(field).is_some(), "{field}: {error:?}");
        }
        let quantity = error.field_message("quantity").unwrap_or_default();
        assert!(quantity.contains("2..4, not 4..2"), "{quantity}");
    }
}
