//! The simulation runs that pages of this server follow although another process runs them, as that
//! process stores them: its points with each heartbeat, and its verdict at the end.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    feed::ChangeSet,
    model::{RunSnapshot, lock_queue::LaneLocks},
    shop::Shop,
    web::runs,
};

/// Interval of the reads while no notices arrive.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The pause after each round of reads.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// A run as it was stored, with the locks of its lanes.
#[derive(Debug)]
pub struct StoredRun {
    pub snapshot: RunSnapshot,
    pub locks: Vec<LaneLocks>,
}

/// The watched runs; clones share them.
#[derive(Clone, Debug, Default)]
pub struct StoredRunWatch(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    runs: Mutex<HashMap<Uuid, Entry>>,
    /// The watched runs that are to be read now.
    noticed: Mutex<HashSet<Uuid>>,
    is_noticed: Notify,
}

#[derive(Debug)]
struct Entry {
    watchers: usize,
    latest: Arc<StoredRun>,
    changes: watch::Sender<u64>,
}

/// A run, watched until this guard is dropped.
#[derive(Debug)]
pub struct WatchedStoredRun {
    watch: StoredRunWatch,
    id: Uuid,
    /// What the first read showed.
    first: Arc<StoredRun>,
    changes: watch::Receiver<u64>,
}

impl StoredRunWatch {
    /// Watches a run that was just read as `first`.
    pub fn watch(&self, id: Uuid, first: StoredRun) -> WatchedStoredRun {
        let first = Arc::new(first);
        let mut runs = self.runs();
        let entry = runs.entry(id).or_insert_with(|| Entry {
            watchers: 0,
            latest: Arc::clone(&first),
            changes: watch::Sender::new(0),
        });
        entry.watchers += 1;
        let changes = entry.changes.subscribe();
        drop(runs);
        // It may have changed since it was read.
        self.read_now([id]);
        WatchedStoredRun {
            watch: self.clone(),
            id,
            first,
            changes,
        }
    }

    /// Notes the watched runs that a notice names, to read them.
    pub fn notice(&self, changes: &ChangeSet) {
        let watched = self.watched().into_iter();
        self.read_now(watched.filter(|id| changes.has_run(*id)));
    }

    /// Reads the watched runs until the server stops.
    pub async fn run(self, shop: Shop, shutdown: CancellationToken) {
        let mut pace = shop.feed().pace(POLL_INTERVAL);
        loop {
            let ids = tokio::select! {
                () = shutdown.cancelled() => return,
                () = pace.next_round() => self.watched(),
                () = self.0.is_noticed.notified() => self.take_noticed(),
            };
            for id in ids {
                self.read(&shop, id).await;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(READ_PAUSE) => {}
            }
        }
    }

    async fn read(&self, shop: &Shop, id: Uuid) {
        match runs::find_with_locks(shop, id).await {
            Ok((snapshot, locks)) => self.update(id, StoredRun { snapshot, locks }),
            Err(error) => tracing::debug!(%error, run = %id, "could not read a watched run"),
        }
    }

    /// Wakes the watchers of a run that was read again.
    fn update(&self, id: Uuid, read: StoredRun) {
        if let Some(entry) = self.runs().get_mut(&id) {
            entry.latest = Arc::new(read);
            entry
                .changes
                .send_modify(|changes| *changes = changes.wrapping_add(1));
        }
    }

    fn read_now(&self, ids: impl IntoIterator<Item = Uuid>) {
        let mut noticed = self.noticed();
        noticed.extend(ids);
        if !noticed.is_empty() {
            self.0.is_noticed.notify_one();
        }
    }

    fn watched(&self) -> Vec<Uuid> {
        self.runs().keys().copied().collect()
    }

    fn take_noticed(&self) -> Vec<Uuid> {
        self.noticed().drain().collect()
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noticed(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        let noticed = self.0.noticed.lock();
        noticed.unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchedStoredRun {
    /// Returns a receiver that is notified after each read.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Returns the run as the latest read showed it.
    pub fn latest(&self) -> Arc<StoredRun> {
        let runs = self.watch.runs();
        let latest = runs.get(&self.id).map(|entry| &entry.latest);
        Arc::clone(latest.unwrap_or(&self.first))
    }
}

impl Drop for WatchedStoredRun {
    fn drop(&mut self) {
        let mut runs = self.watch.runs();
        if let Some(entry) = runs.get_mut(&self.id) {
            entry.watchers -= 1;
            if entry.watchers == 0 {
                runs.remove(&self.id);
            }
        }
    }
}
