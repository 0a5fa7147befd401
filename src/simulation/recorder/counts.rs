//! How attempts ended, in numbers.

use crate::model::sample::{Failures, Refusals};

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub succeeded: u64,
    /// Units that those who succeeded asked for.
    pub units: u64,
    /// Attempts that the shop refused, by reason.
    pub refusals: Refusals,
    /// Attempts that came to nothing else, by kind. Those included of whom it is not known yet whether there is an order.
    pub failures: Failures,
    /// Of those that failed, the ones that were cut off on purpose. Known once they are settled.
    pub cut_off: u64,
    pub contradicted: u64,
    pub retries: u64,
    pub fallbacks: u64,
}

impl Counts {
    /// Attempts that have ended.
    pub const fn attempts(&self) -> u64 {
        self.succeeded + self.rejected() + self.failed()
    }

    /// Attempts that the shop refused.
    pub const fn rejected(&self) -> u64 {
        self.refusals.total()
    }

    /// Attempts that ended in an error.
    pub const fn failed(&self) -> u64 {
        self.failures.total()
    }

    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.units += other.units;
        self.refusals.add(other.refusals);
        self.failures.add(other.failures);
        self.cut_off += other.cut_off;
        self.contradicted += other.contradicted;
        self.retries += other.retries;
        self.fallbacks += other.fallbacks;
    }
}
