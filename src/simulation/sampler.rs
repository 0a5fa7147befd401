//! Observes a run in progress: takes the samples for its charts, and writes its heartbeat.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    buyer::Storefront,
    live::LiveRun,
    recorder::Recorder,
    store::{self, LanePoints, OpenedLane, OpenedRun},
};
use crate::{
    db::Db,
    feed::Feed,
    model::{RunCommand, Sample},
    shop::notices,
};

/// Ten points a second.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// The interval at first: a small sale is over within a few hundred milliseconds.
const FIRST_SAMPLE_INTERVAL: Duration = Duration::from_millis(25);
/// How long the first interval applies.
const FIRST_SAMPLES_FOR: Duration = Duration::from_secs(1);
/// The time between two heartbeats. Pages on other servers show the points that they store within a
/// second.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(750);

/// Called with the number of attempts that have ended, over all lanes.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Takes the samples of one lane while its buyers run.
pub struct Sampler {
    pub run: Arc<LiveRun>,
    /// Which of the run's lanes this is.
    pub index: usize,
    pub lane: OpenedLane,
    pub recorder: Arc<Recorder>,
    /// Where the lane's buyers buy.
    pub storefront: Arc<dyn Storefront>,
    pub db: Db,
    pub progress: Progress,
}

impl Sampler {
    /// Takes the first sample, that of the start with `stock` units, and returns the future that
    /// takes the others until it is dropped. Call it before the first buyer can start: no sale may
    /// be in the first sample.
    pub fn start(self, stock: i64) -> impl Future<Output = ()> + Send + 'static {
        self.take(stock, Duration::ZERO);
        self.watch()
    }

    async fn watch(self) {
        let begin = Instant::now();
        let mut every = SAMPLE_INTERVAL;
        loop {
            let pause = if begin.elapsed() < FIRST_SAMPLES_FOR {
                FIRST_SAMPLE_INTERVAL
            } else {
                every
            };
            tokio::time::sleep(pause).await;
            // Before the query, which may wait for the buyers' queries.
            let elapsed = begin.elapsed();
            // A failed query is a gap in the chart; the verdict has its own queries.
            if let Ok(remaining) = store::remaining(&self.db, self.lane.product_id).await
                && self.take(remaining, elapsed)
            {
                every *= 2;
            }
            (self.progress)(self.run.served());
        }
    }

    /// Adds a sample, and returns whether the lane then had too many samples and was thinned.
    fn take(&self, remaining: i64, elapsed: Duration) -> bool {
        let sample = sample(&self.recorder, self.storefront.as_ref(), remaining, elapsed);
        self.run.push(self.index, sample, self.recorder.latency())
    }
}

/// Takes one sample of a lane. The quantiles of the next sample begin here.
pub fn sample(
    recorder: &Recorder,
    storefront: &dyn Storefront,
    remaining: i64,
    elapsed: Duration,
) -> Sample {
    let counts = recorder.counts();
    let pool = storefront.pool();
    Sample {
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        remaining,
        succeeded: counts.succeeded,
        rejected: counts.rejected(),
        failed: counts.failed(),
        units: Some(counts.units),
        refusals: counts.refusals,
        failures: counts.failures,
        retries: counts.retries,
        recent: recorder.take_recent(),
        in_attempt: recorder.in_attempt(),
        pool_in_use: pool.in_use,
        pool_size: pool.size,
    }
}

/// Writes the heartbeat of a run.
pub struct Heartbeat {
    pub db: Db,
    pub opened: OpenedRun,
    pub run: Arc<LiveRun>,
    /// Announces the points to the pages of other processes.
    pub feed: Feed,
}

impl Heartbeat {
    /// Writes the run's heartbeat and its new points until the future is dropped, and applies the
    /// commands that other server processes stored: with each heartbeat, and when a notice says
    /// that there is one.
    pub async fn write(self) {
        let (opened, run) = (&self.opened, &self.run);
        let mut last_read = RunCommand::Run;
        // The time of the latest stored point of each lane.
        let mut stored_ms = vec![None; opened.lanes.len()];
        loop {
            let points = new_points(opened, run, &stored_ms);
            let latest = points.iter().map(|lane| lane.samples.last());
            let latest: Vec<_> = latest
                .map(|sample| sample.map(|sample| sample.elapsed_ms))
                .collect();
            match store::record_progress(&self.db, opened.id, points).await {
                Ok(command) => {
                    for (stored_ms, latest) in stored_ms.iter_mut().zip(latest) {
                        *stored_ms = latest.or(*stored_ms);
                    }
                    // Apply only a command that differs from the last one read: a value that was
                    // read just before another command was given here must not undo that command.
                    if command != last_read {
                        last_read = command;
                        run.apply_command(command);
                    }
                    self.announce().await;
                }
                Err(error) => {
                    tracing::warn!(%error, run = %opened.id, "could not write the run's heartbeat")
                }
            }
            // At the next heartbeat at the latest.
            let _ = tokio::time::timeout(HEARTBEAT_INTERVAL, run.command_noticed()).await;
        }
    }

    /// Sends a notice of the run: the process of a command has no other task that would.
    async fn announce(&self) {
        self.feed.announce_run(self.opened.id);
        if let Err(error) = notices::send_announced(&self.db, &self.feed).await {
            tracing::debug!(%error, run = %self.opened.id, "could not send a notice of the run");
        }
    }
}

/// Returns the points of each lane that are not stored yet.
fn new_points(opened: &OpenedRun, run: &LiveRun, stored_ms: &[Option<u64>]) -> Vec<LanePoints> {
    let samples = run.samples_after(stored_ms);
    let lanes = opened.lanes.iter().zip(samples);
    lanes
        .map(|(lane, samples)| LanePoints {
            lane_id: lane.id,
            samples,
        })
        .collect()
}
