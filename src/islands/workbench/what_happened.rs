//! The findings of a run, derived from its numbers as soon as they are known.

use leptos::prelude::*;

use crate::model::{RunSnapshot, findings};

/// Shows a paragraph for each lane with a verdict, and the comparison with the guess.
#[component]
pub fn WhatHappened(run: RwSignal<RunSnapshot>) -> impl IntoView {
    let judged = Memo::new(move |_| {
        run.with(|run| {
            let lanes = run.lanes.iter();
            lanes.filter(|lane| lane.verdict.is_some()).count()
        })
    });
    let findings = move || {
        let judged = judged.get();
        run.with_untracked(|run| {
            let several = run.lanes.len() > 1;
            let guess = findings::of_guess(run)
                .map(|sentence| view! { <p class="happened__guess">{sentence}</p> });
            let servers = findings::of_servers(run)
                .filter(|_| judged > 0)
                .map(|sentence| view! { <p>{sentence}</p> });
            let lanes = run
                .lanes
                .iter()
                .filter(|lane| lane.verdict.is_some())
                .map(|lane| {
                    let name = several.then(|| view! { <strong>{lane.name()}": "</strong> });
                    view! { <p>{name}{findings::of_lane(lane, &run.plan).join(" ")}</p> }
                })
                .collect_view();
            let waiting = (judged == 0 && !run.state.is_over())
                .then(|| view! { <p class="quiet">"The findings appear when the last buyer has finished."</p> });
            let writers = findings::of_writers(run).map(|sentence| view! { <p>{sentence}</p> });
            view! { {guess} {servers} {lanes} {writers} {waiting} }
        })
    };
    view! {
        <section class="panel story happened" aria-labelledby="happened-title" aria-live="polite">
            <h2 id="happened-title">"What happened"</h2>
            {findings}
        </section>
    }
}
