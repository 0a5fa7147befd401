//! `GET /live/simulations/{id}`: a run in progress. The stream sends the whole run first (event
//! `run`), then new samples (`news`), and the whole run at the end.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::watch;
use tower_sessions::Session;
use uuid::Uuid;

use super::{Events, Update, locks, stream_updates, stream_updates_to, viewer::Viewer};
use crate::{
    model::{
        RunSnapshot, RunState, ShopError,
        snapshot::{LaneUpdate, RunUpdate},
    },
    simulation::{LiveRun, store},
    web::{AppState, json::problem::Problem},
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Events, Problem> {
    let id = Uuid::try_parse(&id).map_err(|_| ShopError::UnknownSimulation)?;
    match state.engine.runs().get(id) {
        Some(run) => Ok(follow_live(run, &state, Viewer::administrator(&state, session))),
        None => {
            let stored = store::find(state.shop.db(), id).await?;
            Ok(send_once(stored, &state))
        }
    }
}

fn follow_live(run: Arc<LiveRun>, state: &AppState, viewer: Viewer) -> Events {
    let sent = Arc::new(Mutex::new(None));
    let sent_locks = Arc::new(locks::SentLocks::default());
    stream_updates_to(viewer, run.subscribe(), state.shutdown.clone(), move || {
        let (run, sent) = (Arc::clone(&run), Arc::clone(&sent));
        let sent_locks = Arc::clone(&sent_locks);
        async move {
            let snapshot = run.snapshot();
            let now = SentRun::of(&snapshot);
            let before = sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(now.clone());
            sent_locks.prepend_changes(update(&snapshot, before, now), &run)
        }
    })
}

fn update(snapshot: &RunSnapshot, before: Option<SentRun>, now: SentRun) -> Update {
    if snapshot.state.is_over() {
        return Update::Last(run_event(snapshot));
    }
    match before {
        Some(before) if before == now => Update::Nothing,
        Some(before) => match new_samples(snapshot, &before, &now) {
            Some(news) => Update::Event(Event::default().event("news").json_data(news)),
            None => Update::Event(run_event(snapshot)),
        },
        None => Update::Event(run_event(snapshot)),
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

fn send_once(stored: RunSnapshot, state: &AppState) -> Events {
    let unchanging = watch::channel(0).1;
    stream_updates(unchanging, state.shutdown.clone(), move || {
        let event = run_event(&stored);
        async move { Update::Last(event) }
    })
}

fn run_event(snapshot: &RunSnapshot) -> Result<Event, axum::Error> {
    Event::default().event("run").json_data(snapshot)
}
