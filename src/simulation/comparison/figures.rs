//! The compared figures, and whether a change of each is an improvement.

use self::Better::{Higher, Lower, Neither, Zero};
use crate::model::Verdict;

/// Which direction of change is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Zero is the only good value, whatever the load.
    Zero,
    Lower,
    Higher,
    /// Neither direction is better: the value depends on the load.
    Neither,
}

/// One figure of a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub name: &'static str,
    /// `ms` or empty.
    pub unit: &'static str,
    pub better: Better,
    pub of: fn(&Verdict) -> f64,
}

const fn figure(
    name: &'static str,
    unit: &'static str,
    better: Better,
    of: fn(&Verdict) -> f64,
) -> Figure {
    Figure {
        name,
        unit,
        better,
        of,
    }
}

/// All figures, the most important first.
#[expect(
    clippy::cast_precision_loss,
    reason = "units and calls are far below 2^52"
)]
pub const FIGURES: &[Figure] = &[
    figure("Oversold", "", Zero, |v| v.oversold as f64),
    figure("Undersold", "", Zero, |v| v.undersold as f64),
    figure("Sold", "", Neither, |v| v.sold as f64),
    figure("Remaining", "", Neither, |v| v.remaining as f64),
    figure("Rejected", "", Neither, |v| v.rejected as f64),
    figure("Failed", "", Lower, |v| v.failed as f64),
    figure("Retries", "", Lower, |v| v.retries as f64),
    figure("Row-lock fallbacks", "", Lower, |v| v.fallbacks as f64),
    figure("Orders per second", "", Higher, |v| v.orders_per_second),
    figure("Elapsed", "ms", Lower, |v| v.elapsed_ms as f64),
    figure("Latency mean", "ms", Lower, |v| v.latency_ms.mean),
    figure("Latency p50", "ms", Lower, |v| v.latency_ms.p50),
    figure("Latency p95", "ms", Lower, |v| v.latency_ms.p95),
    figure("Latency p99", "ms", Lower, |v| v.latency_ms.p99),
    figure("Latency maximum", "ms", Lower, |v| v.latency_ms.max),
    figure("Connection wait", "ms", Lower, |v| {
        v.time_split_ms.pool_wait
    }),
    figure("Queue wait", "ms", Lower, |v| v.time_split_ms.queue_wait),
    figure("Redis", "ms", Lower, |v| v.time_split_ms.redis),
    figure("Lock wait", "ms", Lower, |v| v.time_split_ms.lock_wait),
    figure("Execute", "ms", Lower, |v| v.time_split_ms.execute),
    figure("Race window", "ms", Neither, |v| v.time_split_ms.pause),
    figure("Commit", "ms", Lower, |v| v.time_split_ms.commit),
    figure("Payment", "ms", Lower, |v| v.time_split_ms.payment),
    figure("Backoff", "ms", Lower, |v| v.time_split_ms.backoff),
    figure("Other", "ms", Lower, |v| v.time_split_ms.other),
];

/// What the repeats of two plans say about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// They show it.
    Shown,
    /// It is within the spread of the repeats.
    WithinSpread,
    /// There are too few repeats to show any difference.
    TooFewRuns,
    /// Each plan was run once.
    OneRunEach,
    /// The two runs are repeats of one plan.
    SamePlan,
    /// The two had different loads, or one of them violated an invariant or was ended early.
    NotComparable,
}

/// The change of a figure from one run to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub difference: f64,
    /// Relative to the baseline; `None` if that was zero.
    pub percent: Option<f64>,
    /// Whether it is an improvement; `None` if neither direction is better, nothing changed, or the
    /// repeats do not show it.
    pub is_better: Option<bool>,
    /// Why it is not rated; `None` if it is, or if neither direction is better.
    pub unrated: Option<Evidence>,
}

impl Change {
    /// Computes the change from `before` to `now`, as if the repeats showed it.
    pub fn between(before: f64, now: f64, better: Better) -> Self {
        let difference = now - before;
        let is_same = difference.abs() < f64::EPSILON;
        Self {
            difference,
            percent: (before.abs() > f64::EPSILON).then(|| difference / before.abs() * 100.0),
            is_better: match better {
                _ if is_same => None,
                Neither => None,
                Lower | Zero => Some(difference < 0.0),
                Higher => Some(difference > 0.0),
            },
            unrated: None,
        }
    }

    /// The same change, rated only if the evidence shows it.
    #[must_use]
    pub fn with_evidence(self, evidence: Evidence) -> Self {
        if self.is_better.is_none() || evidence == Evidence::Shown {
            return self;
        }
        Self {
            is_better: None,
            unrated: Some(evidence),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_better_in_the_figures_own_direction() {
        for (before, now, better, percent, is_better) in [
            (10.0, 5.0, Lower, Some(-50.0), Some(true)),
            (10.0, 5.0, Higher, Some(-50.0), Some(false)),
            (10.0, 5.0, Neither, Some(-50.0), None),
            (0.0, 5.0, Lower, None, Some(false)),
            (5.0, 5.0, Lower, Some(0.0), None),
            (-5.0, 0.0, Higher, Some(100.0), Some(true)),
        ] {
            let change = Change::between(before, now, better);
            assert_eq!(
                (change.percent, change.is_better),
                (percent, is_better),
                "{before} to {now}"
            );
        }
    }
}
