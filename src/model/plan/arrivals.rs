//! The arrival model: when attempts start.

use serde::{Deserialize, Serialize};

/// The maximum arrivals per second.
pub const RATE_PER_S_MAX: u32 = 100_000;

/// The arrival model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Arrivals {
    /// Closed model: each buyer starts the next attempt after the previous response, so a slow
    /// system receives fewer attempts.
    #[default]
    Closed,
    /// Open model: buyers arrive at random at this mean rate, whether or not earlier attempts have
    /// ended. Latency is measured from the scheduled arrival, so that it includes the time in a
    /// queue.
    #[serde(rename_all = "camelCase")]
    Open { rate_per_s: u32 },
}

impl Arrivals {
    /// The mean rate of the open model.
    pub const fn rate_per_s(self) -> Option<u32> {
        match self {
            Self::Closed => None,
            Self::Open { rate_per_s } => Some(rate_per_s),
        }
    }
}
