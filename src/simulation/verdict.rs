//! The verdict on a lane. It compares the answers that the buyers received with the units that the
//! database holds.

use std::{collections::BTreeMap, time::Duration};

use super::{recorder::Recorder, store::StockSnapshot};
use crate::model::{SimulationPlan, StrategyKey, Verdict, plan::Quantities};

/// Computes the verdict. Every attempt must be resolved by now.
pub fn verdict(
    plan: &SimulationPlan,
    strategy: StrategyKey,
    (start, end): (StockSnapshot, StockSnapshot),
    recorder: &Recorder,
    elapsed: Duration,
) -> Verdict {
    let counts = recorder.counts();
    let sold = end.sold_by_run - start.sold_by_run;
    let received = (end.total - start.total).max(0);
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
        undersold: undersold(end.available - received, &recorder.unfulfilled()),
        counted_afterwards: false,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        orders_per_second,
        latency_ms: recorder.latency(),
        time_split_ms: recorder.time_split(),
        time_split_p99_ms: recorder.time_split_p99(),
        thresholds: Vec::new(),
        cluster: None,
    };
    verdict.thresholds = plan.thresholds.judge(&verdict);
    verdict
}

/// Returns how many of the `remaining` units would have covered whole unfulfilled attempts, the
/// smallest quantity first. Units received during the run may have arrived after the rejections, so
/// they are not part of `remaining`.
fn undersold(remaining: i64, unfulfilled: &BTreeMap<u32, u64>) -> i64 {
    let mut still_left = remaining.max(0);
    for (units, buyers) in unfulfilled {
        let units = i64::from(*units).max(1);
        let buyers = i64::try_from(*buyers).unwrap_or(i64::MAX);
        still_left -= units * buyers.min(still_left / units);
    }
    remaining.max(0) - still_left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(available: i64, sold: i64) -> StockSnapshot {
        StockSnapshot {
            available,
            reserved: 0,
            total: 40,
            sold_by_run: sold,
            sold_by_all: sold,
        }
    }

    fn judged(end: StockSnapshot) -> Verdict {
        verdict(
            &SimulationPlan::preset(),
            StrategyKey::RowLock,
            (snapshot(40, 0), end),
            &Recorder::new(),
            Duration::from_secs(1),
        )
    }

    #[test]
    fn units_that_cover_no_unfulfilled_attempt_are_not_undersold() {
        for (remaining, unfulfilled, expected) in [
            (2, vec![(3, 5)], 0),
            (7, vec![(3, 5)], 6),
            (7, vec![(3, 1)], 3),
            (7, vec![], 0),
            (-3, vec![(1, 5)], 0),
            (7, vec![(2, 1), (4, 9)], 6),
            (3, vec![(4, 9)], 0),
            (3, vec![(3, 1), (4, 9)], 3),
        ] {
            let unfulfilled = BTreeMap::from_iter(unfulfilled);
            assert_eq!(
                undersold(remaining, &unfulfilled),
                expected,
                "{remaining}, {unfulfilled:?}"
            );
        }
    }

    #[test]
    fn orders_beyond_the_stock_are_oversold() {
        let verdict = judged(snapshot(39, 77));
        assert_eq!((verdict.sold, verdict.oversold), (77, 37));
        assert!(!verdict.invariants_held());
    }

    #[test]
    fn reserved_units_are_neither_sold_nor_lost() {
        let verdict = judged(StockSnapshot {
            reserved: 4,
            ..snapshot(36, 0)
        });
        assert_eq!((verdict.held, verdict.undersold), (4, 0));
        assert!(verdict.invariants_held(), "{verdict:?}");
        let lost = judged(snapshot(36, 0));
        assert!(!lost.invariants_held(), "four units are missing");
    }
}
