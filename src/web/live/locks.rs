//! What a run's page is told of the locks of its lanes, in the event `locks` of its stream.

use std::{
    sync::Mutex,
    sync::PoisonError,
    time::{Duration, Instant},
};

use axum::response::sse::Event;

use super::Update;
use crate::{
    model::{
        lock_queue::{LaneLocks, LaneLocksNews},
        waterfall::Outcome,
    },
    simulation::LiveRun,
};

/// Rows that grow, because their buyers are still at it, are told at most this often.
const GROWING_EVERY: Duration = Duration::from_secs(1);

/// What one reader of a stream has been told.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<LaneTold>>);

#[derive(Debug)]
struct LaneTold {
    locks: LaneLocks,
    /// When the rows of its waterfall were told.
    rows_at: Instant,
}

impl Told {
    /// Puts what is new of the locks before `update`.
    pub(super) fn before(&self, update: Update, run: &LiveRun) -> Update {
        match self.news(run.locks()) {
            Some(news) => {
                let event = Event::default().event("locks").json_data(news);
                Update::Before(event, Box::new(update))
            }
            None => update,
        }
    }

    fn news(&self, lanes: Vec<LaneLocks>) -> Option<Vec<LaneLocksNews>> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.iter().map(|told| &told.locks);
        if known.eq(&lanes) {
            return None;
        }
        let now = Instant::now();
        let news = lanes.iter().enumerate().map(|(index, lane)| {
            let rows_told = told
                .get(index)
                .is_some_and(|told| !told.rows_are_due(lane, now));
            LaneLocksNews {
                reach: lane.reach,
                now: lane.now.clone(),
                busiest: lane.busiest.clone(),
                waterfall: (!rows_told).then(|| lane.waterfall.clone()),
                over: lane.over,
            }
        });
        let news: Vec<_> = news.collect();
        let rows_at: Vec<_> = news
            .iter()
            .enumerate()
            .map(|(index, news)| match (&news.waterfall, told.get(index)) {
                (None, Some(told)) => told.rows_at,
                _ => now,
            })
            .collect();
        let lanes = lanes.into_iter().zip(rows_at);
        *told = lanes
            .map(|(locks, rows_at)| LaneTold { locks, rows_at })
            .collect();
        Some(news)
    }
}

impl LaneTold {
    fn rows_are_due(&self, lane: &LaneLocks, now: Instant) -> bool {
        let (before, after) = (&self.locks.waterfall, &lane.waterfall);
        if (before.rows.len(), before.ended()) != (after.rows.len(), after.ended()) {
            return true;
        }
        let open = after.rows.iter().any(|row| row.outcome == Outcome::Open);
        open && now.duration_since(self.rows_at) >= GROWING_EVERY
    }
}
