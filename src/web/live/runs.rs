//! `GET /live/simulations/{id}`: a run in progress. The stream sends the whole run first (event
//! `run`), then new samples (`news`), and the whole run at the end. The event `locks` comes before
//! them, when the locks have changed. A run of another process is read from the database.

use std::{sync::Arc, time::Instant};

use axum::{extract::State, response::Response};
use tower_sessions::Session;
use uuid::Uuid;

use super::{
    complete_stream,
    frame::Frame,
    locks::RunLocks,
    share::{LiveState, Share},
    stored_runs::StoredRun,
    viewer::Viewer,
};
use crate::{
    model::{
        RunSnapshot, RunState,
        snapshot::{LaneUpdate, RunUpdate},
    },
    web::{
        AppState,
        json::{path_text::PathText, problem::Problem},
        runs,
    },
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    session: Session,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let id = runs::parse(&id)?;
    let share = state.live.runs.of(id);
    let Some(run) = state.engine.runs().get(id) else {
        let (snapshot, locks) = runs::find_with_locks(&state.shop, id).await?;
        let stored = StoredRun { snapshot, locks };
        if stored.snapshot.state.is_over() {
            return Ok(complete_stream(&WatchedRun::of(&stored, None).whole()));
        }
        return Ok(follow_stored(&state, session, id, share, stored));
    };
    let changes = run.subscribe();
    Ok(share.follow(
        Viewer::administrator(&state, session),
        changes,
        state.shutdown.clone(),
        move |before: Option<&WatchedRun>| {
            let known = before.map(|before| &before.locks);
            WatchedRun {
                snapshot: run.snapshot(),
                locks: RunLocks::next(known, run.locks(), Instant::now()),
            }
        },
    ))
}

/// Streams a run of another process, as that process stores it.
fn follow_stored(
    state: &AppState,
    session: Session,
    id: Uuid,
    share: Arc<Share<WatchedRun>>,
    first: StoredRun,
) -> Response {
    let watched = state.stored_runs.watch(id, first);
    share.follow(
        Viewer::administrator(state, session),
        watched.changes(),
        state.shutdown.clone(),
        move |before: Option<&WatchedRun>| WatchedRun::of(&watched.latest(), before),
    )
}

/// A run with its locks, at one moment.
#[derive(Debug)]
pub struct WatchedRun {
    snapshot: RunSnapshot,
    locks: RunLocks,
}

impl WatchedRun {
    fn of(stored: &StoredRun, before: Option<&Self>) -> Self {
        let known = before.map(|before| &before.locks);
        Self {
            snapshot: stored.snapshot.clone(),
            locks: RunLocks::next(known, stored.locks.clone(), Instant::now()),
        }
    }
}

impl LiveState for WatchedRun {
    fn whole(&self) -> Vec<Frame> {
        vec![self.locks.whole(), Frame::json("run", &self.snapshot)]
    }

    fn since(&self, before: &Self) -> Vec<Frame> {
        let locks = self.locks.since(&before.locks);
        let (known, now) = (SentRun::of(&before.snapshot), SentRun::of(&self.snapshot));
        let run = if self.is_last() {
            Some(Frame::json("run", &self.snapshot))
        } else if known == now {
            None
        } else {
            Some(match new_samples(&self.snapshot, &known, &now) {
                Some(news) => Frame::json("news", &news),
                None => Frame::json("run", &self.snapshot),
            })
        };
        locks.into_iter().chain(run).collect()
    }

    fn is_last(&self) -> bool {
        self.snapshot.state.is_over()
    }
}

/// A summary of the data that a client has, to detect changes.
#[derive(Clone, PartialEq, Eq)]
struct SentRun {
    state: RunState,
    /// Number of events.
    events: usize,
    lanes: Vec<SentLane>,
}

#[derive(Clone, PartialEq, Eq)]
struct SentLane {
    /// Number of samples.
    samples: usize,
    /// Time of the last sample; it changes when samples are merged.
    last_ms: Option<u64>,
    /// Stock at the start.
    stock: i64,
    has_verdict: bool,
}

impl SentRun {
    fn of(run: &RunSnapshot) -> Self {
        let lanes = run.lanes.iter();
        Self {
            state: run.state,
            events: run.events.len(),
            lanes: lanes
                .map(|lane| SentLane {
                    samples: lane.samples.len(),
                    last_ms: lane.samples.last().map(|last| last.elapsed_ms),
                    stock: lane.stock,
                    has_verdict: lane.verdict.is_some(),
                })
                .collect(),
        }
    }
}

/// Returns the samples since `before`, or `None` if the whole run must be sent because something
/// else changed or samples were merged.
fn new_samples(run: &RunSnapshot, before: &SentRun, now: &SentRun) -> Option<RunUpdate> {
    if (before.state, before.events) != (now.state, now.events) {
        return None;
    }
    let lanes = run.lanes.iter().zip(before.lanes.iter().zip(&now.lanes));
    let lanes = lanes.map(|(lane, (before, now))| {
        if (before.stock, before.has_verdict) != (now.stock, now.has_verdict) {
            return None;
        }
        let (known, new) = lane.samples.split_at_checked(before.samples)?;
        if known.last().map(|last| last.elapsed_ms) != before.last_ms {
            return None;
        }
        Some(LaneUpdate {
            samples: new.to_vec(),
            latency_ms: lane.latency_ms,
        })
    });
    Some(RunUpdate {
        lanes: lanes.collect::<Option<_>>()?,
    })
}
