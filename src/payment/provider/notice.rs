//! When the shop is told of an event, and how often.

use std::time::Duration;

/// When the events of a charge or of a refund are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// After the money was moved; none: as soon as the event has happened.
    pub delay: Duration,
    /// By how much each earlier event comes after the one that followed it.
    pub step: Duration,
    /// How often each event is delivered.
    pub copies: i16,
}

impl Schedule {
    /// Each event once, at once.
    pub const PROMPT: Self = Self::late(Duration::ZERO);

    /// No event at all.
    pub const NEVER: Self = Self {
        delay: Duration::ZERO,
        step: Duration::ZERO,
        copies: 0,
    };

    /// Each event once, later.
    pub const fn late(delay: Duration) -> Self {
        Self {
            delay,
            step: Duration::ZERO,
            copies: 1,
        }
    }
}
