//! The progress of a run: its state, elapsed time, finished attempts and estimated time remaining.

use leptos::prelude::*;

use crate::model::{RunSnapshot, RunState};

/// Shows the status line and the progress bar at the top of a run's page.
pub fn progress(run: &RunSnapshot) -> impl IntoView + use<> {
    let served = run.served();
    let attempts = run.plan.total_attempts();
    let left = run.left_ms().map(
        |left_ms| view! { <span class="quiet">{format!("about {} remaining", seconds(left_ms))}</span> },
    );
    view! {
        <p class="run__state">
            <span class=badge_class(run.state) role="status" data-testid="run-state">{run.state.in_words()}</span>" "
            <span class="num" data-testid="elapsed">{seconds(run.elapsed_ms())}</span>" "
            <span>{format!("{served} of {attempts} attempts finished")}</span>" "
            {left}
        </p>
        <progress class="bar" max=attempts value=served aria-label="Attempts finished"></progress>
    }
}

const fn badge_class(state: RunState) -> &'static str {
    match state {
        RunState::Running | RunState::Paused | RunState::Stopping => "badge badge--low",
        RunState::Finished => "badge badge--ok",
        RunState::Stopped | RunState::Aborted => "badge badge--out",
        RunState::Failed => "badge badge--bad",
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}
