//! `GET /live/steppers/{id}`: the whole state of a stepper session after each step. Every client
//! sees the same state.

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tower_sessions::Session;

use super::{Events, Update, stream_updates_to, viewer::Viewer};
use crate::{
    model::stepper::StepperStatus,
    web::{AppState, json::problem::Problem},
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    administrator: Session,
    Path(id): Path<String>,
) -> Result<Events, Problem> {
    let session = state.engine.steppers().get(&id)?;
    Ok(stream_updates_to(
        Viewer::administrator(&state, administrator),
        session.view_changes(),
        state.shutdown.clone(),
        move || {
            let view = session.view();
            async move {
                let event = Event::default().event("stepper").json_data(&view);
                match view.status {
                    StepperStatus::Open => Update::Event(event),
                    _ => Update::Last(event),
                }
            }
        },
    ))
}
