//! `GET /live/present/{id}`: a run for an audience. The stream sends the whole presentation first
//! (event `presentation`), then the figures of each lane (`moments`), and the whole presentation at
//! the end. It needs no sign-in: a client must know the run's id, and the stream contains only the
//! figures that the page shows.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::watch;

use super::{Events, Update, stream_updates};
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
    let stored = runs::find(&state.shop, state.engine.runs(), &id).await?;
    let presentation = Presentation::of(&stored);
    let unchanging = watch::channel(0).1;
    Ok(stream_updates(
        unchanging,
        state.shutdown.clone(),
        move || {
            let event = presentation_event(&presentation);
            async move { Update::Last(event) }
        },
    ))
}

/// The data that a client has: the run's state, each lane's stock and whether it has a verdict, and
/// the latest figures of the lanes.
type SentData = (RunState, Vec<(i64, bool)>, Moments);

fn follow_live(run: Arc<LiveRun>, state: &AppState) -> Events {
    let sent = Arc::new(Mutex::new(None::<SentData>));
    stream_updates(run.subscribe(), state.shutdown.clone(), move || {
        let (run, sent) = (Arc::clone(&run), Arc::clone(&sent));
        async move {
            let presentation = Presentation::of(&run.snapshot());
            let lanes = presentation.lanes.iter();
            let judged = lanes.map(|lane| (lane.stock, lane.verdict.is_some()));
            let now = (presentation.state, judged.collect(), presentation.latest());
            let before = sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(now.clone());
            if presentation.state.is_over() {
                return Update::Last(presentation_event(&presentation));
            }
            match before {
                Some(before) if before == now => Update::Nothing,
                Some(before) if (before.0, &before.1) == (now.0, &now.1) => {
                    Update::Event(Event::default().event("moments").json_data(now.2))
                }
                _ => Update::Event(presentation_event(&presentation)),
            }
        }
    })
}

fn presentation_event(presentation: &Presentation) -> Result<Event, axum::Error> {
    Event::default()
        .event("presentation")
        .json_data(presentation)
}
