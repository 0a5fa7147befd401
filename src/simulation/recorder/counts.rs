//! The number of attempts by result.

use crate::model::sample::{FailureCounts, RejectionCounts};

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub succeeded: u64,
    /// Units requested by the attempts that succeeded.
    pub units: u64,
    /// Rejected attempts, by reason.
    pub refusals: RejectionCounts,
    /// All other attempts, by kind. This includes attempts of which it is not known yet whether
    /// they created an order.
    pub failures: FailureCounts,
    /// Failed attempts that were cut off on purpose. Known after the attempts are resolved.
    pub cut_off: u64,
    pub contradicted: u64,
    pub retries: u64,
    pub fallbacks: u64,
}

impl Counts {
    /// Returns the number of attempts that have ended.
    pub const fn attempts(&self) -> u64 {
        self.succeeded + self.rejected() + self.failed()
    }

    /// Returns the number of attempts that the shop rejected.
    pub const fn rejected(&self) -> u64 {
        self.refusals.total()
    }

    /// Returns the number of attempts that ended in an error.
    pub const fn failed(&self) -> u64 {
        self.failures.total()
    }

    /// Adds other counts to these.
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
