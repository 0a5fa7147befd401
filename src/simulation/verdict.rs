//! The verdict on a lane. Calls are what the buyers were told; units are what the database holds.

use std::{collections::BTreeMap, time::Duration};

use super::{recorder::Recorder, store::Ground};
use crate::model::{SimulationPlan, StrategyKey, Verdict, plan::Quantities};

/// Compares what was told with what is there. Every attempt is settled by now.
pub fn verdict(
    plan: &SimulationPlan,
    strategy: StrategyKey,
    (start, end): (Ground, Ground),
    recorder: &Recorder,
    elapsed: Duration,
) -> Verdict {
    let counts = recorder.counts();
    let sold = end.sold_by_run - start.sold_by_run;
    let came_in = (end.total - start.total).max(0);
    let elapsed_s = elapsed.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "at most a million attempts")]
    let orders_per_second = (counts.succeeded as f64 / elapsed_s * 10.0).round() / 10.0;
    let mut verdict = Verdict {
        strategy,
        safe: strategy.is_safe(),
        seed: plan.seed,
        buyers: plan.buyers,
        stock: start.available,
        quantity: plan.quantities.max().get(),
        quantity_min: match plan.quantities {
            Quantities::Fixed(_) => None,
            Quantities::Range { min, .. } => Some(min.get()),
        },
        rounds: plan.rounds,
        attempts: counts.attempts(),
        succeeded: counts.succeeded,
        rejected: counts.rejected(),
        failed: counts.failed(),
        cut_off: counts.cut_off,
        contradicted: counts.contradicted,
        retries: counts.retries,
        fallbacks: counts.fallbacks,
        sold,
        promised: Some(i64::try_from(counts.units).unwrap_or(i64::MAX)),
        sold_to_others: end.sold_by_all - start.sold_by_all - sold,
        held: end.reserved - start.reserved,
        remaining: end.available,
        oversold: (end.sold_by_all - end.total).max(0),
        undersold: undersold(end.available - came_in, &recorder.went_without()),
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        orders_per_second,
        latency_ms: recorder.latency(),
        time_split_ms: recorder.time_split(),
        time_split_p99_ms: recorder.time_split_p99(),
        thresholds: Vec::new(),
    };
    verdict.thresholds = plan.thresholds.judge(&verdict);
    verdict
}

/// Units of the `left` at the end for which the whole quantity of a buyer who went without would have fitted, the smallest first. Units
/// that came in during the run may have come after the refusals, so they are not among the `left`.
fn undersold(left: i64, went_without: &BTreeMap<u32, u64>) -> i64 {
    let mut still_left = left.max(0);
    for (units, buyers) in went_without {
        let units = i64::from(*units).max(1);
        let buyers = i64::try_from(*buyers).unwrap_or(i64::MAX);
        still_left -= units * buyers.min(still_left / units);
    }
    left.max(0) - still_left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(available: i64, sold: i64) -> Ground {
        Ground {
            available,
            reserved: 0,
            total: 40,
            sold_by_run: sold,
            sold_by_all: sold,
        }
    }

    fn judged(end: Ground) -> Verdict {
        verdict(
            &SimulationPlan::preset(),
            StrategyKey::RowLock,
            (ground(40, 0), end),
            &Recorder::new(),
            Duration::from_secs(1),
        )
    }

    #[test]
    fn units_that_fit_nobody_are_not_undersold() {
        for (left, went_without, expected) in [
            (2, vec![(3, 5)], 0),
            (7, vec![(3, 5)], 6),
            (7, vec![(3, 1)], 3),
            (7, vec![], 0),
            (-3, vec![(1, 5)], 0),
            (7, vec![(2, 1), (4, 9)], 6),
            (3, vec![(4, 9)], 0),
            (3, vec![(3, 1), (4, 9)], 3),
        ] {
            let went_without = BTreeMap::from_iter(went_without);
            assert_eq!(
                undersold(left, &went_without),
                expected,
                "{left}, {went_without:?}"
            );
        }
    }

    #[test]
    fn orders_beyond_the_stock_are_oversold() {
        let verdict = judged(ground(39, 77));
        assert_eq!((verdict.sold, verdict.oversold), (77, 37));
        assert!(!verdict.invariants_held());
    }

    #[test]
    fn units_that_are_set_aside_are_neither_sold_nor_lost() {
        let verdict = judged(Ground {
            reserved: 4,
            ..ground(36, 0)
        });
        assert_eq!((verdict.held, verdict.undersold), (4, 0));
        assert!(verdict.invariants_held(), "{verdict:?}");
        let lost = judged(ground(36, 0));
        assert!(!lost.invariants_held(), "four units are nowhere");
    }
}
