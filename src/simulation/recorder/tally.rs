//! The reports of the buyers of one shard.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::{
    counts::Counts,
    recent::Recent,
    times::{PARTS, add, histogram, parts, us},
};
use crate::{
    model::{plan::FaultKind, sample::FailureKind},
    simulation::{
        buyer::{Attempt, AttemptResult},
        schedule::PlannedAttempt,
    },
};

/// The number of failures whose sentence is kept; all failures are counted.
pub const FAILURES_KEPT_MAX: usize = 5;
/// Significant digits of a latency.
pub const LATENCY_DIGITS: u8 = 3;
/// Significant digits of the parts of a latency. Each shard has a histogram for each part.
pub const PART_DIGITS: u8 = 2;

/// An attempt with an unknown outcome: only the database shows whether it created an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnresolvedAttempt {
    pub buyer: u32,
    pub round: u32,
    units: u32,
    kind: FailureKind,
    fault: Option<FaultKind>,
}

#[derive(Debug)]
pub struct Tally {
    pub counts: Counts,
    pub latency_us: Histogram<u32>,
    /// The sum of all latencies, exactly.
    pub latency: Duration,
    /// The times since the last sample.
    pub recent: Recent,
    /// The sums of the parts; as in [`parts`].
    pub split: [Duration; PARTS],
    /// As in [`parts`].
    pub split_us: [Histogram<u32>; PARTS],
    pub unresolved: Vec<UnresolvedAttempt>,
    /// The number of unfulfilled attempts by requested quantity: those that the shop rejected
    /// because of the stock. A failed attempt is a failure, whatever remains.
    pub unfulfilled: BTreeMap<u32, u64>,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            counts: Counts::default(),
            latency_us: histogram(LATENCY_DIGITS),
            latency: Duration::ZERO,
            recent: Recent::new(),
            split: [Duration::ZERO; PARTS],
            split_us: std::array::from_fn(|_| histogram(PART_DIGITS)),
            unresolved: Vec::new(),
            unfulfilled: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Records one attempt.
    pub fn record(&mut self, planned: &PlannedAttempt, latency: Duration, attempt: Attempt) {
        let Attempt { result, cost } = attempt;
        if result != AttemptResult::Abandoned {
            self.latency_us.saturating_record(us(latency));
            self.latency += latency;
            let parts = parts(cost.split, latency);
            self.recent.record(latency, parts);
            add(&mut self.split, parts);
            for (histogram, part) in self.split_us.iter_mut().zip(parts) {
                histogram.saturating_record(us(part));
            }
        }
        self.counts.retries += u64::from(cost.retries);
        self.counts.fallbacks += u64::from(cost.fallbacks);
        match result {
            AttemptResult::Bought(_) => self.succeeded(planned.quantity.get()),
            AttemptResult::Rejected(reason) => {
                *self.counts.refusals.of_mut(reason) += 1;
                if reason.is_about_stock() {
                    *self.unfulfilled.entry(planned.quantity.get()).or_default() += 1;
                }
            }
            AttemptResult::Abandoned => self.add_unresolved(planned, FailureKind::CutOff),
            AttemptResult::Contradicted(sentence) => {
                self.counts.contradicted += 1;
                self.keep_sentence(sentence);
                self.add_unresolved(planned, FailureKind::OtherFault);
            }
            AttemptResult::Failed(kind, sentence) => {
                self.keep_sentence(sentence);
                let on_purpose = planned.fault.is_some_and(FaultKind::ends_attempt);
                self.add_unresolved(
                    planned,
                    if on_purpose {
                        FailureKind::CutOff
                    } else {
                        kind
                    },
                );
            }
        }
    }

    fn succeeded(&mut self, units: u32) {
        self.counts.succeeded += 1;
        self.counts.units += u64::from(units);
    }

    fn add_unresolved(&mut self, planned: &PlannedAttempt, kind: FailureKind) {
        *self.counts.failures.of_mut(kind) += 1;
        self.unresolved.push(UnresolvedAttempt {
            buyer: planned.buyer,
            round: planned.round,
            units: planned.quantity.get(),
            kind,
            fault: planned.fault,
        });
    }

    fn keep_sentence(&mut self, sentence: String) {
        if self.failures.len() < FAILURES_KEPT_MAX {
            self.failures.push(sentence);
        }
    }

    /// Counts the unresolved attempts, given which of them created an order.
    pub fn resolve(&mut self, has_order: &impl Fn(&UnresolvedAttempt) -> bool) {
        for attempt in std::mem::take(&mut self.unresolved) {
            if has_order(&attempt) {
                *self.counts.failures.of_mut(attempt.kind) -= 1;
                self.succeeded(attempt.units);
            } else if attempt.fault.is_some_and(FaultKind::ends_attempt) {
                self.counts.cut_off += 1;
            }
        }
    }
}
