//! When attempts begin.

use serde::{Deserialize, Serialize};

/// The most arrivals a second.
pub const RATE_PER_S_MAX: u32 = 100_000;

/// When attempts begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Arrivals {
    /// Each buyer comes back when the last answer is there: whoever is slow has fewer buyers at the door.
    #[default]
    Closed,
    /// Buyers come at random moments at this mean rate, whether or not those before them have been served. Their latency counts from
    /// the moment at which they meant to begin, so that a queue is never left out of the figures.
    #[serde(rename_all = "camelCase")]
    Open { rate_per_s: u32 },
}

impl Arrivals {
    /// The mean rate, if buyers come at one.
    pub const fn rate_per_s(self) -> Option<u32> {
        match self {
            Self::Closed => None,
            Self::Open { rate_per_s } => Some(rate_per_s),
        }
    }
}
