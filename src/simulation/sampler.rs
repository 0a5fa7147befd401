//! Observes a run in progress: takes the samples for its charts, and writes its heartbeat.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    buyer::Storefront,
    live::LiveRun,
    recorder::Recorder,
    store::{self, OpenedLane},
};
use crate::{
    db::Db,
    model::{RunCommand, Sample},
};

/// Ten points a second.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// The interval at first: a small sale is over within a few hundred milliseconds.
const FIRST_SAMPLE_INTERVAL: Duration = Duration::from_millis(25);
/// How long the first interval applies.
const FIRST_SAMPLES_FOR: Duration = Duration::from_secs(1);
/// The time between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

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
    /// Takes samples until the future is dropped.
    pub async fn watch(self) {
        let begin = Instant::now();
        let mut every = SAMPLE_INTERVAL;
        loop {
            // A failed query is a gap in the chart; the verdict has its own queries.
            if let Ok(remaining) = store::remaining(&self.db, self.lane.product_id).await {
                let storefront = self.storefront.as_ref();
                let sample = sample(&self.recorder, storefront, remaining, begin.elapsed());
                if self.run.push(self.index, sample, self.recorder.latency()) {
                    every *= 2;
                }
            }
            (self.progress)(self.run.served());
            let pause = if begin.elapsed() < FIRST_SAMPLES_FOR {
                FIRST_SAMPLE_INTERVAL
            } else {
                every
            };
            tokio::time::sleep(pause).await;
        }
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

/// Writes the run's heartbeat until the future is dropped, and applies the commands that other
/// server processes stored.
pub async fn heartbeat(db: Db, id: Uuid, run: Arc<LiveRun>) {
    let mut last_read = RunCommand::Run;
    loop {
        match store::record_heartbeat(&db, id).await {
            // Apply only a command that differs from the last one read: a value that was read just
            // before another command was given here must not undo that command.
            Ok(command) if command != last_read => {
                last_read = command;
                run.apply_command(command);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, run = %id, "could not write the run's heartbeat")
            }
        }
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
    }
}
