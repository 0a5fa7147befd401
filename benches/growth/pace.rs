//! Requests at a given rate, whether or not the responses keep up.
//!
//! A latency counts from the time at which its request was due, so that a request that had to wait
//! for a slow one before it does not look fast.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::Failure;

/// The most requests that are open at the same time.
pub const WORKERS: u32 = 64;

/// The times at which requests are due; workers share it.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    interval: Duration,
    next: AtomicU64,
    stopped: AtomicBool,
}

impl Pace {
    /// Waits until the next request is due. Returns the time from which its latency counts, or
    /// `None` once the load has ended.
    pub async fn wait_for_turn(&self) -> Option<Instant> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let due = self.start + self.interval.mul_f64(number as f64);
        if due <= Instant::now() {
            return Some(due);
        }
        tokio::time::sleep_until(due.into()).await;
        // A timer fires up to a millisecond late, which is not the shop's latency.
        (!self.stopped.load(Ordering::Relaxed)).then(Instant::now)
    }
}

/// Workers that send requests until the load is ended. They are aborted if it is dropped.
#[derive(Debug)]
pub struct Load {
    pace: Arc<Pace>,
    workers: JoinSet<Result<Vec<Duration>, Failure>>,
}

impl Load {
    /// Creates a load of `rate` requests per second, without workers.
    pub fn new(rate: u32) -> Self {
        Self {
            pace: Arc::new(Pace {
                start: Instant::now(),
                interval: Duration::from_secs(1) / rate,
                next: AtomicU64::new(0),
                stopped: AtomicBool::new(false),
            }),
            workers: JoinSet::new(),
        }
    }

    /// Returns the pace, for a new worker.
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// Adds a worker, which returns the latencies of its requests.
    pub fn add(
        &mut self,
        worker: impl Future<Output = Result<Vec<Duration>, Failure>> + Send + 'static,
    ) {
        self.workers.spawn(worker);
    }

    /// Ends the load, and returns the latencies of all requests.
    ///
    /// # Errors
    /// The first failed request.
    pub async fn end(mut self) -> Result<Vec<Duration>, Failure> {
        self.pace.stopped.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        while let Some(ended) = self.workers.join_next().await {
            latencies.append(&mut ended??);
        }
        Ok(latencies)
    }
}

/// Returns the 99th percentile in milliseconds.
pub fn p99_ms(mut latencies: Vec<Duration>) -> Result<f64, Failure> {
    latencies.sort_unstable();
    let index = latencies.len() * 99 / 100;
    let p99 = latencies.get(index).ok_or("no request was answered")?;
    Ok(p99.as_secs_f64() * 1_000.0)
}
