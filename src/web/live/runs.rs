//! `GET /live/simulations/{id}`: a run as it goes on. First all so far (`run`), then what is new (`news`), and at the end all again.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Events, Update, locks, paced};
use crate::{
    model::{
        RunSnapshot, RunState, ShopError,
        snapshot::{LaneNews, RunNews},
    },
    simulation::{LiveRun, store},
    web::{AppState, json::problem::Problem},
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Events, Problem> {
    let id = Uuid::try_parse(&id).map_err(|_| ShopError::UnknownSimulation)?;
    match state.engine.runs().get(id) {
        Some(run) => Ok(follow_live(run, &state)),
        None => {
            let stored = store::find(state.shop.db(), id).await?;
            Ok(tell_once(stored, &state))
        }
    }
}

fn follow_live(run: Arc<LiveRun>, state: &AppState) -> Events {
    let told = Arc::new(Mutex::new(None));
    let locks_told = Arc::new(locks::Told::default());
    paced(run.bell(), state.shutdown.clone(), move || {
        let (run, told) = (Arc::clone(&run), Arc::clone(&told));
        let locks_told = Arc::clone(&locks_told);
        async move {
            let snapshot = run.snapshot();
            let now = Told::of(&snapshot);
            let before = told
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(now.clone());
            locks_told.before(update(&snapshot, before, now), &run)
        }
    })
}

fn update(snapshot: &RunSnapshot, before: Option<Told>, now: Told) -> Update {
    if snapshot.state.is_over() {
        return Update::Last(whole(snapshot));
    }
    match before {
        Some(before) if before == now => Update::Nothing,
        Some(before) => match news(snapshot, &before, &now) {
            Some(news) => Update::Event(Event::default().event("news").json_data(news)),
            None => Update::Event(whole(snapshot)),
        },
        None => Update::Event(whole(snapshot)),
    }
}

/// What a page knows: where the run stands, how much happened to it, and of each lane its points, what it started with, and whether it
/// was judged.
#[derive(Clone, PartialEq, Eq)]
struct Told {
    state: RunState,
    events: usize,
    lanes: Vec<ToldLane>,
}

#[derive(Clone, PartialEq, Eq)]
struct ToldLane {
    points: usize,
    /// The moment of the last of them: another one stands there once points were merged.
    last_ms: Option<u64>,
    stock: i64,
    judged: bool,
}

impl Told {
    fn of(run: &RunSnapshot) -> Self {
        let lanes = run.lanes.iter();
        Self {
            state: run.state,
            events: run.events.len(),
            lanes: lanes
                .map(|lane| ToldLane {
                    points: lane.samples.len(),
                    last_ms: lane.samples.last().map(|last| last.elapsed_ms),
                    stock: lane.stock,
                    judged: lane.verdict.is_some(),
                })
                .collect(),
        }
    }
}

/// The points since `before`; none when there is more to tell, or points were merged since: then all is told.
fn news(run: &RunSnapshot, before: &Told, now: &Told) -> Option<RunNews> {
    if (before.state, before.events) != (now.state, now.events) {
        return None;
    }
    let lanes = run.lanes.iter().zip(before.lanes.iter().zip(&now.lanes));
    let lanes = lanes.map(|(lane, (before, now))| {
        if (before.stock, before.judged) != (now.stock, now.judged) {
            return None;
        }
        let (known, new) = lane.samples.split_at_checked(before.points)?;
        if known.last().map(|last| last.elapsed_ms) != before.last_ms {
            return None;
        }
        Some(LaneNews {
            samples: new.to_vec(),
            latency_ms: lane.latency_ms,
        })
    });
    Some(RunNews {
        lanes: lanes.collect::<Option<_>>()?,
    })
}

fn tell_once(stored: RunSnapshot, state: &AppState) -> Events {
    let silent = watch::channel(0).1;
    paced(silent, state.shutdown.clone(), move || {
        let event = whole(&stored);
        async move { Update::Last(event) }
    })
}

fn whole(snapshot: &RunSnapshot) -> Result<Event, axum::Error> {
    Event::default().event("run").json_data(snapshot)
}
