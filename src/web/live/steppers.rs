//! `GET /live/steppers/{id}`: a session of the stepper, whole, after each of its steps. Whoever looks at it sees the same.

use axum::{
    extract::{Path, State},
    response::sse::Event,
};

use super::{Events, Update, paced};
use crate::{
    model::stepper::Standing,
    web::{AppState, json::problem::Problem},
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Events, Problem> {
    let session = state.engine.steppers().get(&id)?;
    Ok(paced(session.news(), state.shutdown.clone(), move || {
        let view = session.view();
        async move {
            let event = Event::default().event("stepper").json_data(&view);
            match view.standing {
                Standing::Open => Update::Event(event),
                _ => Update::Last(event),
            }
        }
    }))
}
