//! `GET /live/simulations/{id}`: a run as it goes on. First all so far (`run`), then what is new (`news`), and at the end all again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Events, Update, paced};
use crate::{
    model::{RunSnapshot, RunState, ShopError, snapshot::RunNews},
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
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    paced(run.bell(), state.shutdown.clone(), move || {
        let (run, seen) = (Arc::clone(&run), Arc::clone(&seen));
        async move {
            let snapshot = run.snapshot();
            let told = seen.swap(snapshot.samples.len(), Ordering::Relaxed);
            if snapshot.state != RunState::Running {
                return Update::Last(whole(&snapshot));
            }
            match snapshot.samples.get(told..) {
                // Thinned since, or the first time: tell all.
                None => Update::Event(whole(&snapshot)),
                Some([]) => Update::Nothing,
                Some(samples) => Update::Event(Event::default().event("news").json_data(RunNews {
                    samples: samples.to_vec(),
                    latency_ms: snapshot.latency_ms,
                })),
            }
        }
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
