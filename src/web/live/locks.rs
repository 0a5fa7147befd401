//! The event `locks` in the stream of a run: the lock queues and waterfalls of its lanes.

use std::{
    sync::Mutex,
    sync::PoisonError,
    time::{Duration, Instant},
};

use axum::response::sse::Event;

use super::Update;
use crate::{
    model::{
        lock_queue::{LaneLocks, LaneLocksUpdate},
        waterfall::AttemptOutcome,
    },
    simulation::LiveRun,
};

/// Minimum time between two updates of rows whose attempts are still in progress.
const OPEN_ROWS_INTERVAL: Duration = Duration::from_secs(1);

/// The locks that the server has sent to one client of a stream.
#[derive(Debug, Default)]
pub struct SentLocks(Mutex<Vec<SentLaneLocks>>);

#[derive(Debug)]
struct SentLaneLocks {
    locks: LaneLocks,
    /// When the rows of its waterfall were sent.
    rows_at: Instant,
}

impl SentLocks {
    /// Sends changed locks before `update`.
    pub(super) fn prepend_changes(&self, update: Update, run: &LiveRun) -> Update {
        match self.changes(run.locks()) {
            Some(changes) => {
                let event = Event::default().event("locks").json_data(changes);
                Update::Several(event, Box::new(update))
            }
            None => update,
        }
    }

    fn changes(&self, lanes: Vec<LaneLocks>) -> Option<Vec<LaneLocksUpdate>> {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent_locks = sent.iter().map(|sent| &sent.locks);
        if sent_locks.eq(&lanes) {
            return None;
        }
        let now = Instant::now();
        let news = lanes.iter().enumerate().map(|(index, lane)| {
            let rows_are_current = sent
                .get(index)
                .is_some_and(|sent| !sent.rows_are_due(lane, now));
            LaneLocksUpdate {
                scope: lane.scope,
                now: lane.now.clone(),
                busiest: lane.busiest.clone(),
                waterfall: (!rows_are_current).then(|| lane.waterfall.clone()),
                over: lane.over,
            }
        });
        let news: Vec<_> = news.collect();
        let rows_at: Vec<_> = news
            .iter()
            .enumerate()
            .map(|(index, news)| match (&news.waterfall, sent.get(index)) {
                (None, Some(sent)) => sent.rows_at,
                _ => now,
            })
            .collect();
        let lanes = lanes.into_iter().zip(rows_at);
        *sent = lanes
            .map(|(locks, rows_at)| SentLaneLocks { locks, rows_at })
            .collect();
        Some(news)
    }
}

impl SentLaneLocks {
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
