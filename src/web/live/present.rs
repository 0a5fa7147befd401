//! `GET /live/present/{id}`: a run for an audience. The stream sends the whole presentation first
//! (event `presentation`), then the figures of each lane (`moments`), and the whole presentation at
//! the end. It needs no sign-in: a client must know the run's id, and the stream contains only the
//! figures that the page shows. A run of another process is read from the database.

use axum::{extract::State, response::Response};

use super::{
    complete_stream, frame::Frame, share::LiveState, stored_runs::StoredRun, viewer::Viewer,
};
use crate::{
    model::{Presentation, RunState},
    web::{
        AppState,
        json::{path_text::PathText, problem::Problem},
        runs,
    },
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let run_id = runs::parse(&id)?;
    let share = state.live.presentations.of(run_id);
    let shutdown = state.shutdown.clone();
    let Some(run) = state.engine.runs().get(run_id) else {
        let (snapshot, locks) = runs::find_with_locks(&state.shop, run_id).await?;
        if snapshot.state.is_over() {
            return Ok(complete_stream(&Presentation::of(&snapshot).whole()));
        }
        let first = StoredRun { snapshot, locks };
        let watched = state.stored_runs.watch(run_id, first);
        let changes = watched.changes();
        return Ok(share.follow(Viewer::Anyone, changes, shutdown, move |_| {
            Presentation::of(&watched.latest().snapshot)
        }));
    };
    let changes = run.subscribe();
    Ok(share.follow(Viewer::Anyone, changes, shutdown, move |_| {
        Presentation::of(&run.snapshot())
    }))
}

impl LiveState for Presentation {
    fn whole(&self) -> Vec<Frame> {
        vec![Frame::json("presentation", self)]
    }

    fn since(&self, before: &Self) -> Vec<Frame> {
        if self.is_last() || outline(self) != outline(before) {
            return self.whole();
        }
        let latest = self.latest();
        if latest == before.latest() {
            return Vec::new();
        }
        vec![Frame::json("moments", &latest)]
    }

    fn is_last(&self) -> bool {
        self.state.is_over()
    }
}

/// The parts of a presentation that `moments` does not contain: the run's state, each lane's stock
/// and whether it has a verdict.
fn outline(presentation: &Presentation) -> (RunState, Vec<(i64, bool)>) {
    let lanes = presentation.lanes.iter();
    let lanes = lanes.map(|lane| (lane.stock, lane.verdict.is_some()));
    (presentation.state, lanes.collect())
}
