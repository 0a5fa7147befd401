//! Where a run stands: its state, how long it has taken, how far it is, and when it will be over.

use leptos::prelude::*;

use crate::model::{RunSnapshot, RunState};

/// The line and the bar at the head of a run's page.
pub fn progress(run: &RunSnapshot) -> impl IntoView + use<> {
    let served = run.served();
    let attempts = run.plan.attempts_in_all();
    let left = run.left_ms().map(
        |left_ms| view! { <span class="quiet">{format!("about {} left", seconds(left_ms))}</span> },
    );
    view! {
        <p class="run__state">
            <span class=badge(run.state) role="status" data-testid="run-state">{run.state.in_words()}</span>" "
            <span class="num" data-testid="elapsed">{seconds(run.elapsed_ms())}</span>" "
            <span>{format!("{served} of {attempts} attempts served")}</span>" "
            {left}
        </p>
        <progress class="bar" max=attempts value=served aria-label="Attempts served"></progress>
    }
}

const fn badge(state: RunState) -> &'static str {
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
