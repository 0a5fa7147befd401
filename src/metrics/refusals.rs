//! Connections and requests that are refused before the router sees them.

use super::Counter;

/// Why a connection or a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its client address has too many connections.
    Address,
    /// The server has too many connections.
    All,
    /// It is not HTTP, or its head is too large.
    Malformed,
}

impl Refusal {
    pub const ALL: [Self; 3] = [Self::Address, Self::All, Self::Malformed];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::All => "all",
            Self::Malformed => "malformed",
        }
    }
}

/// The refusals of one server process.
#[derive(Debug, Default)]
pub struct RefusalMetrics {
    address: Counter,
    all: Counter,
    malformed: Counter,
}

impl RefusalMetrics {
    /// Counts a refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.counter(refusal).increment();
    }

    /// Returns each reason, with the number of refusals.
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = Refusal::ALL.into_iter();
        counted.map(move |refusal| (refusal.label(), self.counter(refusal).get()))
    }

    const fn counter(&self, refusal: Refusal) -> &Counter {
        match refusal {
            Refusal::Address => &self.address,
            Refusal::All => &self.all,
            Refusal::Malformed => &self.malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_itself() {
        let metrics = RefusalMetrics::default();
        for refusal in [Refusal::All, Refusal::Malformed, Refusal::All] {
            metrics.refused(refusal);
        }
        let counts: Vec<_> = metrics.by_reason().collect();
        assert_eq!(counts, [("address", 0), ("all", 2), ("malformed", 1)]);
    }
}
