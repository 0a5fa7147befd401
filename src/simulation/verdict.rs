//! The verdict on a run. Calls are what the buyers were told; units are what the database holds.

use std::time::Duration;

use super::{recorder::Recorder, store::Ground};
use crate::model::{SimulationPlan, Verdict};

/// Compares what was told with what is there.
pub fn verdict(
    plan: &SimulationPlan,
    start: Ground,
    end: Ground,
    recorder: &Recorder,
    elapsed: Duration,
) -> Verdict {
    let counts = recorder.counts();
    let sold = end.sold_by_run - start.sold_by_run;
    let sold_to_others = end.sold_by_all - start.sold_by_all - sold;
    let elapsed_s = elapsed.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "at most a million attempts")]
    let orders_per_second = (counts.succeeded as f64 / elapsed_s * 10.0).round() / 10.0;
    Verdict {
        strategy: plan.strategy,
        safe: plan.strategy.is_safe(),
        seed: plan.seed,
        buyers: plan.buyers,
        stock: start.available,
        quantity: plan.quantity.get(),
        rounds: plan.rounds,
        attempts: counts.attempts(),
        succeeded: counts.succeeded,
        rejected: counts.rejected,
        failed: counts.failed,
        retries: counts.retries,
        sold,
        sold_to_others,
        remaining: end.available,
        oversold: (end.sold_by_all - end.total).max(0),
        undersold: undersold(plan, start, end, counts.rejected + counts.failed),
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        orders_per_second,
        latency_ms: recorder.latency(),
        time_split_ms: recorder.time_split(),
    }
}

/// Units left at the end for which the whole quantity of a buyer who went without would have fitted. Units that came in during the run may
/// have come after the refusals, so they do not count.
fn undersold(plan: &SimulationPlan, start: Ground, end: Ground, went_without: u64) -> i64 {
    let quantity = i64::from(plan.quantity.get());
    let left = end.available - (end.total - start.total).max(0);
    let would_have_fitted = (left / quantity).max(0);
    would_have_fitted.min(i64::try_from(went_without).unwrap_or(i64::MAX)) * quantity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Quantity;

    fn ground(available: i64, sold: i64) -> Ground {
        Ground {
            available,
            total: 40,
            sold_by_run: sold,
            sold_by_all: sold,
        }
    }

    #[test]
    fn units_that_fit_nobody_are_not_undersold() -> Result<(), crate::model::ShopError> {
        let plan = SimulationPlan {
            quantity: Quantity::new(3)?,
            ..SimulationPlan::preset()
        };
        assert_eq!(undersold(&plan, ground(40, 0), ground(2, 38), 5), 0);
        assert_eq!(undersold(&plan, ground(40, 0), ground(7, 33), 5), 6);
        assert_eq!(undersold(&plan, ground(40, 0), ground(7, 33), 1), 3);
        assert_eq!(undersold(&plan, ground(40, 0), ground(7, 33), 0), 0);
        Ok(())
    }

    #[test]
    fn orders_beyond_the_stock_are_oversold() {
        let verdict = verdict(
            &SimulationPlan::preset(),
            ground(40, 0),
            ground(39, 77),
            &Recorder::new(),
            Duration::from_secs(1),
        );
        assert_eq!((verdict.sold, verdict.oversold), (77, 37));
        assert!(!verdict.invariants_held());
    }
}
