//! The list of a run's events. The charts mark the same events with the same numbers.

use leptos::prelude::*;

use crate::model::{RunEvent, RunSnapshot};

/// Lists the events so far, numbered; shows nothing before the first event.
pub fn list(run: RwSignal<RunSnapshot>) -> impl IntoView {
    let events = Memo::new(move |_| run.with(descriptions));
    move || {
        let events = events.get();
        (!events.is_empty()).then(|| {
            let items = events
                .into_iter()
                .map(|event| view! { <li>{event}</li> })
                .collect_view();
            view! { <ol class="events" aria-label="Events">{items}</ol> }
        })
    }
}

fn descriptions(run: &RunSnapshot) -> Vec<String> {
    run.events
        .iter()
        .map(|event| describe(run, event))
        .collect()
}

fn describe(run: &RunSnapshot, event: &RunEvent) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let at_s = event.elapsed_ms as f64 / 1_000.0;
    let what = event.in_words();
    match event.lane.and_then(|lane| run.lanes.get(lane)) {
        Some(lane) if run.lanes.len() > 1 => format!("{at_s:.2} s {}: {what}", lane.name()),
        _ => format!("{at_s:.2} s {what}"),
    }
}
