//! Looks at the locks of a lane while its buyers are at it, through the run's own connection and never through theirs.

mod queue;
mod wait_graph;

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

pub use queue::queue;

use super::{buyer::Storefront, live::LiveRun, store, waterfall::WaterfallRecorder};
use crate::{
    db::{
        Db, PoolSettings,
        lock_watch::{self, Whose},
    },
    model::lock_queue::{LockQueue, Reach},
};

/// The time to the second look. A lane of 33 buyers is over in 60 ms, so that the first looks come quickly …
const FIRST_LOOK_AFTER: Duration = Duration::from_millis(5);
/// … each after twice the time of the one before, up to four a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two looks at least this many times what a look took: a database that is slow to answer is asked less often.
const REST_PER_LOOK: u32 = 3;

/// A look that takes longer is given up: the buyers come first, and the next look will be asked
/// later.
const LOOK_MAX: Duration = Duration::from_secs(1);

/// One lane, while its buyers are at it.
pub struct LockWatch {
    pub run: Arc<LiveRun>,
    /// Which of the run's lanes this is.
    pub index: usize,
    pub product_id: i64,
    /// The run's own connections.
    pub db: Db,
    /// The pool on which the lane's buyers are; none when they buy at other servers.
    pub buyers_db: Option<Db>,
    pub storefront: Arc<dyn Storefront>,
    pub waterfall: Arc<WaterfallRecorder>,
}

impl LockWatch {
    /// Looks again and again, until it is dropped.
    pub async fn watch(self) {
        self.run.begin_locks(self.index, self.reach());
        let begin = Instant::now();
        let mut pause = FIRST_LOOK_AFTER;
        let whose = self.whose();
        // Has the server plan the question: the buyers of a short lane would be gone before its answer.
        self.look(begin, &whose).await;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            self.look(begin, &whose).await;
            let rest = asked.elapsed() * REST_PER_LOOK;
            pause = (pause * 2).min(LOOK_EVERY).max(rest);
        }
    }

    /// A look without an answer is one that was not taken.
    async fn look(&self, begin: Instant, whose: &Whose) {
        let seen = tokio::time::timeout(LOOK_MAX, self.snapshot(begin, whose)).await;
        match seen {
            Ok(Ok(mut queue)) => {
                queue.in_memory = self.storefront.in_line(self.product_id);
                let waterfall = self.waterfall.picture(Instant::now());
                self.run.see_locks(self.index, queue, waterfall);
            }
            Ok(Err(error)) => tracing::debug!(%error, "the locks were not looked at"),
            Err(_) => tracing::debug!("the look at the locks took too long"),
        }
    }

    /// Sorts the sessions on a thread of its own: the runtime's workers belong to the buyers.
    async fn snapshot(
        &self,
        begin: Instant,
        whose: &Whose,
    ) -> Result<LockQueue, Box<dyn Error + Send + Sync>> {
        let sessions = lock_watch::sessions(&self.db, whose).await?;
        let (whose, elapsed) = (whose.clone(), begin.elapsed());
        Ok(tokio::task::spawn_blocking(move || queue(&sessions, &whose, elapsed)).await?)
    }

    fn whose(&self) -> Whose {
        let name = match &self.buyers_db {
            Some(db) => db.name(),
            None => PoolSettings::SHOP.application_name,
        };
        Whose::Applications(vec![name.to_owned()])
    }

    fn reach(&self) -> Reach {
        match self.buyers_db {
            Some(_) => Reach::Lane,
            None => Reach::Shops,
        }
    }
}

/// Ends the picture of a lane, and stores it with its run. What cannot be stored is missed later, and no reason for a run to fail.
pub async fn keep(run: &LiveRun, index: usize, lane_id: i64, db: &Db, watch: &WaterfallRecorder) {
    let Some(locks) = run.end_locks(index, watch.picture(Instant::now())) else {
        return;
    };
    if let Err(error) = store::keep_locks(db, lane_id, &locks).await {
        tracing::warn!(%error, lane_id, "the picture of the lane's locks was not stored");
    }
}
