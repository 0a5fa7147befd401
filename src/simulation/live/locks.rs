//! The locks of a run's lanes, beside its story.

use std::sync::{MutexGuard, PoisonError};

use super::LiveRun;
use crate::model::{
    RunSnapshot,
    lock_queue::{LaneLocks, LockQueue, Reach},
    waterfall::Waterfall,
};

/// Those of lanes that nobody has looked at yet.
pub fn unseen(run: &RunSnapshot) -> Vec<LaneLocks> {
    let lanes = run.lanes.iter();
    lanes.map(|lane| LaneLocks::unseen(lane.strategy)).collect()
}

impl LiveRun {
    /// The locks of each lane, as last looked at.
    pub fn locks(&self) -> Vec<LaneLocks> {
        self.lock_pictures().clone()
    }

    /// Says whose sessions will be looked at.
    pub fn begin_locks(&self, lane: usize, reach: Reach) {
        if let Some(locks) = self.lock_pictures().get_mut(lane) {
            locks.reach = reach;
        }
    }

    /// Takes in a look at the locks of a lane.
    pub fn see_locks(&self, lane: usize, queue: LockQueue, waterfall: Waterfall) {
        if let Some(locks) = self.lock_pictures().get_mut(lane) {
            locks.see(queue);
            locks.waterfall = waterfall;
        }
        self.ring();
    }

    /// Says that a lane's buyers have been served: nobody is at its locks any more. Returns what is to be kept.
    pub fn end_locks(&self, lane: usize, waterfall: Waterfall) -> Option<LaneLocks> {
        let ended = self.lock_pictures().get_mut(lane).map(|locks| {
            locks.now = None;
            locks.over = true;
            locks.waterfall = waterfall;
            locks.clone()
        });
        self.ring();
        ended
    }

    fn lock_pictures(&self) -> MutexGuard<'_, Vec<LaneLocks>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
