//! The figures at one moment, and what changed since the moment before.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    protection::Protection,
    queried::{AuditFigures, Queried},
};
use crate::{
    metrics::{
        HistogramSnapshot,
        transactions::{DEADLOCK, DISK_FULL},
    },
    shop::inventory::order_queue::QueueState,
    telemetry,
    web::AppState,
};

/// The counters and gauges of this process at one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    pub at: Instant,
    pub successes: u64,
    pub refused: u64,
    pub failed: u64,
    pub durations: HistogramSnapshot,
    /// Purchases and reservations for which the row took over from a strategy.
    pub fallbacks: u64,
    pub retries: u64,
    pub deadlocks: u64,
    pub full_disks: u64,
    pub lock_wait_us: u64,
    /// Events that were deleted, although no subscriber had acknowledged them.
    pub events_lost: u64,
    /// Lines of the log that could not be written.
    pub log_lines_lost: u64,
    pub protection: Protection,
    /// `None` before the first heartbeat.
    pub heartbeat_age: Option<Duration>,
    pub queue_depth: f64,
    pub connections_percent: f64,
    pub waiting: f64,
    pub streams: f64,
    pub queried: Option<Arc<Queried>>,
}

impl Observed {
    /// Reads the figures of a server now.
    pub fn now(state: &AppState) -> Self {
        let (selling, db) = (state.shop.metrics(), state.shop.db());
        let (refused, failed) = selling.refusals_and_failures();
        let transactions = db.metrics();
        let in_use = f64::from(db.transactions_in_use());
        Self {
            at: Instant::now(),
            successes: selling.successes(),
            refused,
            failed,
            durations: selling.durations(),
            fallbacks: selling.fallbacks().map(|(_, count)| count).sum(),
            retries: transactions.all().map(|one| one.retries.get()).sum(),
            deadlocks: transactions.rollbacks(DEADLOCK),
            full_disks: transactions.rollbacks(DISK_FULL),
            lock_wait_us: transactions.all().map(|one| one.lock_wait_us.get()).sum(),
            events_lost: state.retention.undelivered_events(),
            log_lines_lost: telemetry::lost_lines(),
            protection: Protection::now(state),
            heartbeat_age: state.health.heartbeat_age(),
            queue_depth: count(state.shop.purchases().queued() as u64),
            connections_percent: 100.0 * in_use / f64::from(db.settings().transactions_max),
            waiting: count(db.transactions_waiting()),
            streams: count(state.health.http().streams_open()),
            queried: state.health.queried(),
        }
    }
}

/// The time since the previous sample.
pub struct Interval<'a> {
    pub now: &'a Observed,
    pub before: Option<&'a Observed>,
}

impl Interval<'_> {
    /// Returns how much a counter grew per second.
    pub fn rate(&self, counter: fn(&Observed) -> u64) -> Option<f64> {
        let before = self.before?;
        let elapsed = self.now.at.saturating_duration_since(before.at);
        let grown = counter(self.now).saturating_sub(counter(before));
        (elapsed > Duration::ZERO).then(|| count(grown) / elapsed.as_secs_f64())
    }

    /// Returns the durations of the attempts that ended in it.
    pub fn durations(&self) -> HistogramSnapshot {
        match self.before {
            Some(before) => self.now.durations.since(&before.durations),
            None => self.now.durations,
        }
    }

    /// Returns a value of the figures that were read last.
    pub fn queried(&self, value: fn(&Queried) -> f64) -> Option<f64> {
        self.now.queried.as_deref().map(value)
    }

    /// Returns the queue of orders, if it was read.
    pub fn order_queue(&self) -> Option<QueueState> {
        self.now.queried.as_deref()?.order_queue
    }

    /// Returns the age of an audit's latest result, in seconds.
    pub fn audit_age_s(&self, audit: fn(&Queried) -> Option<AuditFigures>) -> Option<f64> {
        let queried = self.now.queried.as_deref()?;
        Some((audit(queried)?.age + queried.at.elapsed()).as_secs_f64())
    }
}

/// Returns a count as a number of a chart.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn count(count: u64) -> f64 {
    count as f64
}

/// The same for a number that the database returned.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn number(count: i64) -> f64 {
    count as f64
}

/// Returns microseconds as seconds.
pub fn seconds(us: i64) -> f64 {
    number(us) / 1e6
}
