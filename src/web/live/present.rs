//! `GET /live/present/{id}`: a run for its audience. First all that it is shown (`presentation`), then how each lane stands (`moments`), and
//! at the end all again. It needs no login: who has the run's id was given it, and it tells nothing but what the page shows.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::watch;

use super::{Events, Update, paced};
use crate::{
    model::{Presentation, RunState, presentation::Moments},
    simulation::LiveRun,
    web::{AppState, json::problem::Problem, runs},
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Events, Problem> {
    if let Some(run) = state.engine.runs().get(runs::parse(&id)?) {
        return Ok(follow_live(run, &state));
    }
    let stored = runs::find(&state.shop, &state.engine, &id).await?;
    let presentation = Presentation::of(&stored);
    let silent = watch::channel(0).1;
    Ok(paced(silent, state.shutdown.clone(), move || {
        let event = whole(&presentation);
        async move { Update::Last(event) }
    }))
}

/// What a page knows: the run's state, how many lanes were judged, and their latest moments.
type Told = (RunState, Vec<(i64, bool)>, Moments);

fn follow_live(run: Arc<LiveRun>, state: &AppState) -> Events {
    let told = Arc::new(Mutex::new(None::<Told>));
    paced(run.bell(), state.shutdown.clone(), move || {
        let (run, told) = (Arc::clone(&run), Arc::clone(&told));
        async move {
            let presentation = Presentation::of(&run.snapshot());
            let lanes = presentation.lanes.iter();
            let judged = lanes.map(|lane| (lane.stock, lane.verdict.is_some()));
            let now = (presentation.state, judged.collect(), presentation.latest());
            let before = told
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(now.clone());
            if presentation.state.is_over() {
                return Update::Last(whole(&presentation));
            }
            match before {
                Some(before) if before == now => Update::Nothing,
                Some(before) if (before.0, &before.1) == (now.0, &now.1) => {
                    Update::Event(Event::default().event("moments").json_data(now.2))
                }
                _ => Update::Event(whole(&presentation)),
            }
        }
    })
}

fn whole(presentation: &Presentation) -> Result<Event, axum::Error> {
    Event::default()
        .event("presentation")
        .json_data(presentation)
}
