//! `GET /live/steppers/{id}`: the whole state of a stepper session after each step. Every client
//! sees the same state.

use axum::{extract::State, response::Response};
use tower_sessions::Session;

use super::{frame::Frame, share::LiveState, viewer::Viewer};
use crate::{
    model::stepper::{StepperStatus, StepperView},
    web::{
        AppState,
        json::{path_text::PathText, problem::Problem},
    },
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    administrator: Session,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let session = state.engine.steppers().get(&id)?;
    let share = state.live.steppers.of(session.id());
    let changes = session.view_changes();
    let viewer = Viewer::administrator(&state, administrator);
    Ok(
        share.follow(viewer, changes, state.shutdown.clone(), move |_| {
            session.view()
        }),
    )
}

impl LiveState for StepperView {
    fn whole(&self) -> Vec<Frame> {
        vec![Frame::json("stepper", self)]
    }

    fn since(&self, before: &Self) -> Vec<Frame> {
        if self == before && !self.is_last() {
            return Vec::new();
        }
        self.whole()
    }

    fn is_last(&self) -> bool {
        self.status != StepperStatus::Open
    }
}
