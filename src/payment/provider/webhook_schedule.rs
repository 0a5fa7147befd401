//! When the webhooks of an event are sent, and how often.

use std::time::Duration;

/// When the webhooks of a charge or of a refund are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookSchedule {
    /// Time between the settlement and its webhook. Zero: each webhook is sent as soon as its event
    /// has happened.
    pub delay: Duration,
    /// How much later each earlier event is sent than the event that followed it.
    pub step: Duration,
    /// How many times each event is delivered.
    pub copies: i16,
}

impl WebhookSchedule {
    /// Each event once, immediately.
    pub const IMMEDIATE: Self = Self::delayed(Duration::ZERO);

    /// No webhook at all.
    pub const NONE: Self = Self {
        delay: Duration::ZERO,
        step: Duration::ZERO,
        copies: 0,
    };

    /// Each event once, `delay` after the settlement.
    pub const fn delayed(delay: Duration) -> Self {
        Self {
            delay,
            step: Duration::ZERO,
            copies: 1,
        }
    }
}
