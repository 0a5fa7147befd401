//! The lock snapshots of a run's lanes.

use std::sync::{MutexGuard, PoisonError};

use super::LiveRun;
use crate::model::{
    RunSnapshot,
    lock_queue::{LaneLocks, LockScope, LockSnapshot},
    waterfall::Waterfall,
};

/// Returns the initial lock state of each lane, before the first lock snapshot.
pub fn initial(run: &RunSnapshot) -> Vec<LaneLocks> {
    let lanes = run.lanes.iter();
    lanes.map(|lane| LaneLocks::empty(lane.strategy)).collect()
}

impl LiveRun {
    /// Returns the latest lock state of each lane.
    pub fn locks(&self) -> Vec<LaneLocks> {
        self.lane_locks().clone()
    }

    /// Records which sessions the lock snapshots of a lane cover.
    pub fn start_lock_watch(&self, lane: usize, scope: LockScope) {
        if let Some(locks) = self.lane_locks().get_mut(lane) {
            locks.scope = scope;
        }
    }

    /// Adds a lock snapshot of a lane.
    pub fn record_locks(&self, lane: usize, queue: LockSnapshot, waterfall: Waterfall) {
        if let Some(locks) = self.lane_locks().get_mut(lane) {
            locks.record(queue);
            locks.waterfall = waterfall;
        }
        self.notify();
    }

    /// Ends the lock view of a lane whose buyers have all finished. Returns its final state, which
    /// is stored with the run.
    pub fn finish_locks(&self, lane: usize, waterfall: Waterfall) -> Option<LaneLocks> {
        let ended = self.lane_locks().get_mut(lane).map(|locks| {
            locks.now = None;
            locks.over = true;
            locks.waterfall = waterfall;
            locks.clone()
        });
        self.notify();
        ended
    }

    fn lane_locks(&self) -> MutexGuard<'_, Vec<LaneLocks>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
