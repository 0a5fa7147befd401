//! Counters and histograms of a server process.
//!
//! They are plain atomic numbers in structures that their users own and share: no registry is
//! asked by name, and counting waits for no lock and allocates nothing. A simulation has numbers of
//! its own, which no server shows: its transactions are not the shop's. `web::health` reads them,
//! and writes them in the formats of Prometheus.
//!
//! Every label is one of a fixed list, so the number of series has a limit, whatever is requested.

pub mod exemplar;
pub mod histogram;
pub mod http;
pub mod refusals;
pub mod selling;
pub mod traces;
pub mod transactions;

pub use exemplar::Exemplar;
pub use histogram::{Histogram, HistogramSnapshot};
pub use http::HttpMetrics;
pub use refusals::{Refusal, RefusalMetrics};
pub use selling::{CacheAnswer, Journey, SellingMetrics};
pub use traces::TraceMetrics;
pub use transactions::TransactionMetrics;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds a duration, in microseconds.
    pub fn add_time(&self, duration: Duration) {
        self.add(microseconds(duration));
    }

    /// Returns the number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the position of `label` in `labels`, or the last position: the label of all others.
fn position_of(labels: &[&str], label: &str) -> usize {
    let position = labels.iter().position(|known| *known == label);
    position.unwrap_or(labels.len().saturating_sub(1))
}
