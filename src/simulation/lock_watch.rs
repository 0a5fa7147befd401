//! Watches the locks of a lane while its buyers buy, through the run's own connection and never
//! through theirs.

mod queue;
mod wait_graph;

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

pub use queue::snapshot;

use super::{buyer::Storefront, live::LiveRun, store, waterfall::WaterfallRecorder};
use crate::{
    db::{
        Db,
        lock_watch::{self, SessionFilter},
    },
    model::lock_queue::{LockScope, LockSnapshot},
};

/// The time to the second look. A lane of 33 buyers ends within 60 ms, so the first looks follow
/// each other quickly.
const FIRST_LOOK_AFTER: Duration = Duration::from_millis(5);
/// The pause doubles after each look, up to this one.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause is at least this many times as long as the look before it: whatever a look costs, the
/// watch costs less than a tenth of the time.
const REST_PER_LOOK: u32 = 10;

/// A look that takes longer is cancelled: the buyers come first.
const LOOK_MAX: Duration = Duration::from_secs(1);

/// The watch over one lane.
pub struct LockWatch {
    pub run: Arc<LiveRun>,
    /// Which of the run's lanes this is.
    pub index: usize,
    pub product_id: i64,
    /// The run's own connections.
    pub db: Db,
    /// The application names of the sessions to look at.
    pub applications: Vec<String>,
    pub scope: LockScope,
    pub storefront: Arc<dyn Storefront>,
    pub waterfall: Arc<WaterfallRecorder>,
}

impl LockWatch {
    /// Looks at the locks repeatedly until it is dropped.
    pub async fn watch(self) {
        self.run.start_lock_watch(self.index, self.scope);
        let begin = Instant::now();
        let mut pause = FIRST_LOOK_AFTER;
        let filter = SessionFilter::Applications(self.applications.clone());
        // The first query is slow, because the server plans it: it must not be the one that counts.
        self.look(begin, &filter).await;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            self.look(begin, &filter).await;
            let rest = asked.elapsed() * REST_PER_LOOK;
            pause = (pause * 2).min(LOOK_EVERY).max(rest);
        }
    }

    /// A look that fails is skipped.
    async fn look(&self, begin: Instant, filter: &SessionFilter) {
        let seen = tokio::time::timeout(LOOK_MAX, self.snapshot(begin, filter)).await;
        match seen {
            Ok(Ok(mut snapshot)) => {
                snapshot.in_memory = self.storefront.queue_length(self.product_id);
                let waterfall = self.waterfall.snapshot(Instant::now());
                self.run.record_locks(self.index, snapshot, waterfall);
            }
            Ok(Err(error)) => tracing::debug!(%error, "could not read the locks"),
            Err(_) => tracing::debug!("reading the locks took too long"),
        }
    }

    /// Sorts the sessions on a thread of its own: the runtime's workers belong to the buyers.
    async fn snapshot(
        &self,
        begin: Instant,
        filter: &SessionFilter,
    ) -> Result<LockSnapshot, Box<dyn Error + Send + Sync>> {
        let sessions = lock_watch::sessions(&self.db, filter).await?;
        let (filter, elapsed) = (filter.clone(), begin.elapsed());
        Ok(
            tokio::task::spawn_blocking(move || queue::snapshot(&sessions, &filter, elapsed))
                .await?,
        )
    }
}

/// Ends the watch over a lane, and stores its locks with the run. A run does not fail because they
/// cannot be stored.
pub async fn finish(run: &LiveRun, index: usize, lane_id: i64, db: &Db, watch: &WaterfallRecorder) {
    let Some(locks) = run.finish_locks(index, watch.snapshot(Instant::now())) else {
        return;
    };
    if let Err(error) = store::save_locks(db, lane_id, &locks).await {
        tracing::warn!(%error, lane_id, "could not store the lane's lock snapshot");
    }
}
