//! What the buyers of one shard reported.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::{
    counts::Counts,
    recent::Recent,
    times::{histogram, parts, us},
};
use crate::{
    db::txn::TimeSplit,
    model::{plan::FaultKind, sample::Failure},
    simulation::{
        buyer::{Attempt, AttemptResult},
        schedule::Ask,
    },
};

/// Failures whose sentence is kept; all are counted.
pub const FAILURES_KEPT_MAX: usize = 5;
/// Significant digits of a latency.
pub const LATENCY_DIGITS: u8 = 3;
/// Significant digits of its parts, of which each shard has four.
pub const PART_DIGITS: u8 = 2;

/// An attempt whose buyer was told neither yes nor no: whether there is an order is for the database to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    pub buyer: u32,
    pub round: u32,
    units: u32,
    kind: Failure,
    fault: Option<FaultKind>,
}

#[derive(Debug)]
pub struct Tally {
    pub counts: Counts,
    pub latency_us: Histogram<u32>,
    /// Since somebody last looked.
    pub recent: Recent,
    pub split: TimeSplit,
    /// As in [`parts`].
    pub split_us: [Histogram<u32>; 4],
    pub unsettled: Vec<Unsettled>,
    /// How many went without, by the units that they asked for.
    pub went_without: BTreeMap<u32, u64>,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            counts: Counts::default(),
            latency_us: histogram(LATENCY_DIGITS),
            recent: Recent::new(),
            split: TimeSplit::default(),
            split_us: std::array::from_fn(|_| histogram(PART_DIGITS)),
            unsettled: Vec::new(),
            went_without: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Takes one attempt in.
    pub fn take_in(&mut self, ask: &Ask, latency: Duration, attempt: Attempt) {
        let Attempt { result, taken } = attempt;
        if result != AttemptResult::Left {
            self.latency_us.saturating_record(us(latency));
            self.recent.take_in(latency, taken.split);
            self.split.add(taken.split);
            for (histogram, part) in self.split_us.iter_mut().zip(parts(taken.split)) {
                histogram.saturating_record(us(part));
            }
        }
        self.counts.retries += u64::from(taken.retries);
        self.counts.fallbacks += u64::from(taken.fallbacks);
        match result {
            AttemptResult::Bought(_) => self.succeeded(ask.quantity.get()),
            AttemptResult::Rejected(reason) => {
                *self.counts.refusals.of_mut(reason) += 1;
                *self.went_without.entry(ask.quantity.get()).or_default() += 1;
            }
            AttemptResult::Left => self.open(ask, Failure::CutOff),
            AttemptResult::Contradicted(sentence) => {
                self.counts.contradicted += 1;
                self.keep(sentence);
                self.open(ask, Failure::OtherFault);
            }
            AttemptResult::Failed(kind, sentence) => {
                self.keep(sentence);
                let on_purpose = ask.fault.is_some_and(FaultKind::ends_attempt);
                self.open(ask, if on_purpose { Failure::CutOff } else { kind });
            }
        }
    }

    fn succeeded(&mut self, units: u32) {
        self.counts.succeeded += 1;
        self.counts.units += u64::from(units);
    }

    fn open(&mut self, ask: &Ask, kind: Failure) {
        *self.counts.failures.of_mut(kind) += 1;
        self.unsettled.push(Unsettled {
            buyer: ask.buyer,
            round: ask.round,
            units: ask.quantity.get(),
            kind,
            fault: ask.fault,
        });
    }

    fn keep(&mut self, sentence: String) {
        if self.failures.len() < FAILURES_KEPT_MAX {
            self.failures.push(sentence);
        }
    }

    /// Counts what was open, once it is known of which attempts there is an order.
    pub fn settle(&mut self, has_order: &impl Fn(&Unsettled) -> bool) {
        for attempt in std::mem::take(&mut self.unsettled) {
            if has_order(&attempt) {
                *self.counts.failures.of_mut(attempt.kind) -= 1;
                self.succeeded(attempt.units);
            } else if attempt.fault.is_some_and(FaultKind::ends_attempt) {
                self.counts.cut_off += 1;
            } else {
                *self.went_without.entry(attempt.units).or_default() += 1;
            }
        }
    }
}
