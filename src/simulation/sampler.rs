//! Looks at a run while it goes on: a chart's points, and the signs of life.

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
    model::{RunWish, Sample},
};

/// Ten points a second.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// At first there are more, since a small sale is over within a moment.
const FIRST_SAMPLES_EVERY: Duration = Duration::from_millis(25);
/// How long that is.
const FIRST_MOMENT: Duration = Duration::from_secs(1);
/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Told how many attempts have ended, over all lanes.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// One lane, while its buyers are at it.
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
    /// Takes a point again and again, until it is dropped.
    pub async fn watch(self) {
        let begin = Instant::now();
        let mut every = SAMPLE_EVERY;
        loop {
            // A moment without an answer is a gap in the chart; the verdict is asked for separately.
            if let Ok(remaining) = store::remaining(&self.db, self.lane.product_id).await {
                let storefront = self.storefront.as_ref();
                let sample = sample(&self.recorder, storefront, remaining, begin.elapsed());
                if self.run.push(self.index, sample, self.recorder.latency()) {
                    every *= 2;
                }
            }
            (self.progress)(self.run.served());
            let pause = if begin.elapsed() < FIRST_MOMENT {
                FIRST_SAMPLES_EVERY
            } else {
                every
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// A point of a lane's chart, and the end of the time that the next one's quantiles are of.
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
        lately: recorder.take_lately(),
        in_attempt: recorder.in_attempt(),
        pool_in_use: pool.in_use,
        pool_size: pool.size,
    }
}

/// Gives a sign of life again and again, until it is dropped, and has the run do what its leader wishes through another server.
pub async fn beat(db: Db, id: Uuid, run: Arc<LiveRun>) {
    let mut known = RunWish::Run;
    loop {
        match store::beat(&db, id).await {
            // Only what is new: a wish that was read just before another was made here must not undo it.
            Ok(wish) if wish != known => {
                known = wish;
                run.follow(wish);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, run = %id, "the run's sign of life was not written")
            }
        }
        tokio::time::sleep(BEAT_EVERY).await;
    }
}
