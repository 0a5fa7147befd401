//! How the shop is doing: the figures of this server process and of its database, their history,
//! and the text for Prometheus.
//!
//! Figures in memory are read when they are asked for. Those that need a query are read by a
//! maintenance task, every [`INTERVAL`]: a scrape and a page cost no query.

pub mod endpoint;
pub mod exposition;
pub mod figures;
pub mod history;
pub mod observed;
pub mod protection;
pub mod queried;
pub mod readers;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use self::{
    history::{History, Period},
    observed::Observed,
    queried::Queried,
    readers::Readers,
};
use super::shared_reads::SharedReads;
use crate::{metrics::HttpMetrics, model::ShopError, shop::Shop};

/// How often figures are read and added to the history.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Figures that were read longer ago are not shown: the database cannot be asked.
const QUERIED_AGE_MAX: Duration = Duration::from_secs(45);
/// The heartbeat is written every second. A server that was able to write one, and then has not
/// for this long, cannot sell.
pub const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(15);
/// Probes within this time share one read of the database: they come from every proxy, and anyone
/// may send them. That the database went away is noticed this much later.
const PROBE_AGE_MAX: Duration = Duration::from_millis(250);

/// The health of one server process; clones share it.
#[derive(Clone, Debug)]
pub struct Health(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    started: Instant,
    http: HttpMetrics,
    readers: Readers,
    probes: SharedReads<(), ()>,
    heartbeat: Mutex<Option<Instant>>,
    queried: Mutex<Option<Arc<Queried>>>,
    history: Mutex<Recorded>,
}

/// The history, and what the next rates are counted from.
#[derive(Debug, Default)]
struct Recorded {
    before: Option<Observed>,
    history: History,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Parts {
            started: Instant::now(),
            http: HttpMetrics::default(),
            readers: Readers::default(),
            probes: SharedReads::new(PROBE_AGE_MAX),
            heartbeat: Mutex::default(),
            queried: Mutex::default(),
            history: Mutex::default(),
        }))
    }
}

impl Health {
    /// The requests over HTTP.
    pub fn http(&self) -> &HttpMetrics {
        &self.0.http
    }

    /// The administrators who may read the figures while the database is unavailable.
    pub fn readers(&self) -> &Readers {
        &self.0.readers
    }

    /// Checks that the database can be read, or that it could a moment ago.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if it cannot.
    pub async fn check_database(&self, shop: &Shop) -> Result<(), ShopError> {
        let read = || async { shop.catalog().categories().await.map(drop) };
        self.0.probes.get(&(), read).await
    }

    /// Returns how long this process has been serving.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Records that the heartbeat of this server was written.
    pub fn heartbeat_written(&self, at: Instant) {
        *lock(&self.0.heartbeat) = Some(at);
    }

    /// Returns the time since the last heartbeat, or `None` before the first.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        lock(&self.0.heartbeat).map(|at| at.elapsed())
    }

    /// Stores the figures that were just read.
    pub fn set_queried(&self, queried: Queried) {
        *lock(&self.0.queried) = Some(Arc::new(queried));
    }

    /// Returns the figures that were read last, unless that is too long ago.
    pub fn queried(&self) -> Option<Arc<Queried>> {
        let queried = lock(&self.0.queried).clone();
        queried.filter(|queried| queried.at.elapsed() < QUERIED_AGE_MAX)
    }

    /// Adds a sample to the history: the figures at `observed`, and the rates since the last one.
    pub fn record(&self, observed: Observed) {
        let mut recorded = lock(&self.0.history);
        let sample = figures::sample(&observed, recorded.before.as_ref());
        recorded.history.push(sample);
        recorded.before = Some(observed);
    }

    /// Returns the samples of a period, the oldest first.
    pub fn samples(&self, period: Period) -> Vec<figures::Sample> {
        lock(&self.0.history).history.of(period)
    }
}

/// No code panics while it holds such a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
