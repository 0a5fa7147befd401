//! The event `locks` in the stream of a run: the lock queues and waterfalls of its lanes.

use std::time::{Duration, Instant};

use super::frame::Frame;
use crate::model::{
    lock_queue::{LaneLocks, LaneLocksUpdate},
    waterfall::AttemptOutcome,
};

/// Minimum time between two updates of rows whose attempts are still in progress.
const OPEN_ROWS_INTERVAL: Duration = Duration::from_secs(1);

/// The locks of a run's lanes at one moment.
#[derive(Clone, Debug)]
pub struct RunLocks(Vec<LaneLocksAt>);

#[derive(Clone, Debug)]
struct LaneLocksAt {
    locks: LaneLocks,
    /// The rows of the waterfall are those of this moment: they are updated more rarely.
    rows_at: Instant,
}

impl RunLocks {
    /// The state `lanes` at `now`, which follows the state `before`.
    pub fn next(before: Option<&Self>, lanes: Vec<LaneLocks>, now: Instant) -> Self {
        let lanes = lanes.into_iter().enumerate().map(|(index, mut locks)| {
            let before = before.and_then(|before| before.0.get(index));
            match before.filter(|before| !before.rows_are_due(&locks, now)) {
                Some(before) => {
                    locks.waterfall = before.locks.waterfall.clone();
                    LaneLocksAt {
                        locks,
                        rows_at: before.rows_at,
                    }
                }
                None => LaneLocksAt {
                    locks,
                    rows_at: now,
                },
            }
        });
        Self(lanes.collect())
    }

    /// Returns the event with everything.
    pub fn whole(&self) -> Frame {
        let lanes = self.0.iter().map(|lane| lane.update(true));
        Frame::json("locks", &lanes.collect::<Vec<_>>())
    }

    /// Returns the event with the changes since `before`, if there are any.
    pub fn since(&self, before: &Self) -> Option<Frame> {
        let known = before.0.iter().map(|lane| &lane.locks);
        if known.eq(self.0.iter().map(|lane| &lane.locks)) {
            return None;
        }
        let lanes = self.0.iter().enumerate().map(|(index, lane)| {
            let before = before.0.get(index);
            lane.update(before.is_none_or(|before| before.rows_at != lane.rows_at))
        });
        Some(Frame::json("locks", &lanes.collect::<Vec<_>>()))
    }
}

impl LaneLocksAt {
    fn update(&self, with_rows: bool) -> LaneLocksUpdate {
        LaneLocksUpdate {
            scope: self.locks.scope,
            now: self.locks.now.clone(),
            busiest: self.locks.busiest.clone(),
            waterfall: with_rows.then(|| self.locks.waterfall.clone()),
            over: self.locks.over,
        }
    }

    fn rows_are_due(&self, lane: &LaneLocks, now: Instant) -> bool {
        let (before, after) = (&self.locks.waterfall, &lane.waterfall);
        if (before.rows.len(), before.ended()) != (after.rows.len(), after.ended()) {
            return true;
        }
        let open = after
            .rows
            .iter()
            .any(|row| row.outcome == AttemptOutcome::Open);
        open && now.duration_since(self.rows_at) >= OPEN_ROWS_INTERVAL
    }
}
