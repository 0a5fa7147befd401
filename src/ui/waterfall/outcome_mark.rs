//! The mark at the end of an attempt.

use leptos::prelude::*;

use crate::model::waterfall::AttemptOutcome;

/// Draws the outcome of an attempt: a circle, a triangle or a cross, or an open circle while it
/// runs.
pub fn outcome_mark(outcome: AttemptOutcome, x: f64, y: f64) -> impl IntoView {
    let (class, outline) = match outcome {
        AttemptOutcome::Bought => (
            "mark mark--sold",
            "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
        ),
        AttemptOutcome::Rejected => ("mark mark--rejected", "M0-5l5 9h-10z"),
        AttemptOutcome::Failed | AttemptOutcome::Abandoned => ("fall__cross", "M-4-4L4 4M-4 4L4-4"),
        AttemptOutcome::Open => ("fall__open", "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z"),
    };
    view! { <path class=class transform=format!("translate({x:.1} {y:.1})") d=outline></path> }
}
