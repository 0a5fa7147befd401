//! What happened to a run, in words: the charts mark the same moments by the same numbers.

use leptos::prelude::*;

use crate::model::{RunEvent, RunSnapshot};

/// The events so far, numbered; nothing before there are any.
pub fn list(run: RwSignal<RunSnapshot>) -> impl IntoView {
    let told = Memo::new(move |_| run.with(told));
    move || {
        let events = told.get();
        (!events.is_empty()).then(|| {
            let items = events
                .into_iter()
                .map(|event| view! { <li>{event}</li> })
                .collect_view();
            view! { <ol class="events" aria-label="Events">{items}</ol> }
        })
    }
}

fn told(run: &RunSnapshot) -> Vec<String> {
    run.events
        .iter()
        .map(|event| in_words(run, event))
        .collect()
}

fn in_words(run: &RunSnapshot, event: &RunEvent) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let at_s = event.elapsed_ms as f64 / 1_000.0;
    let what = event.kind.in_words();
    match event.lane.and_then(|lane| run.lanes.get(lane)) {
        Some(lane) if run.lanes.len() > 1 => format!("{at_s:.2} s {}: {what}", lane.strategy),
        _ => format!("{at_s:.2} s {what}"),
    }
}
