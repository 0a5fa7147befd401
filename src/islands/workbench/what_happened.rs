//! What happened in a run, told from its figures as soon as they are there.

use leptos::prelude::*;

use crate::model::{RunSnapshot, findings};

/// A paragraph for each lane that is judged, and how the guess compares.
#[component]
pub fn WhatHappened(run: RwSignal<RunSnapshot>) -> impl IntoView {
    let judged = Memo::new(move |_| {
        run.with(|run| {
            let lanes = run.lanes.iter();
            lanes.filter(|lane| lane.verdict.is_some()).count()
        })
    });
    let told = move || {
        let judged = judged.get();
        run.with_untracked(|run| {
            let several = run.lanes.len() > 1;
            let guess = findings::of_guess(run)
                .map(|sentence| view! { <p class="happened__guess">{sentence}</p> });
            let lanes = run
                .lanes
                .iter()
                .filter(|lane| lane.verdict.is_some())
                .map(|lane| {
                    let name = several.then(|| view! { <strong>{lane.strategy.as_str()}": "</strong> });
                    view! { <p>{name}{findings::of_lane(lane).join(" ")}</p> }
                })
                .collect_view();
            let waiting = (judged == 0 && !run.state.is_over())
                .then(|| view! { <p class="quiet">"The story is told when the last buyer has been served."</p> });
            view! { {guess} {lanes} {waiting} }
        })
    };
    view! {
        <section class="panel story happened" aria-labelledby="happened-title" aria-live="polite">
            <h2 id="happened-title">"What happened"</h2>
            {told}
        </section>
    }
}
