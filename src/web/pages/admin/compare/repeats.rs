//! The spread of runs with the same plan and seed: a smaller difference is measurement noise.

use leptos::prelude::*;

use super::deltas::number;
use crate::{
    model::snapshot::lane_name,
    simulation::comparison::{FIGURES, RepeatedRuns},
};

#[component]
pub fn RepeatTables(repeats: Vec<RepeatedRuns>) -> impl IntoView {
    let tables = repeats
        .into_iter()
        .map(|repeats| view! { <RepeatTable repeats/> });
    view! {
        <section class="panel" aria-labelledby="repeats">
            <h2 class="panel__title" id="repeats">"Repeats"</h2>
            <p class="quiet">
                "Runs with the same plan and seed send the same buyers. Their spread is noise of the machine and the database: ignore smaller differences."
            </p>
            <div class="compare__repeats">{tables.collect_view()}</div>
        </section>
    }
}

#[component]
fn RepeatTable(repeats: RepeatedRuns) -> impl IntoView {
    let count = repeats.count();
    let title = format!("The plan of {}", repeats.letters);
    if count < 2 {
        let sentence = match count {
            0 => "None of its runs has a verdict.",
            _ => "It was run once, so its spread is unknown. Run it again with the same seed.",
        };
        return view! { <div><h3>{title}</h3><p>{sentence}</p></div> }.into_any();
    }
    let lanes = repeats.plan.lanes().into_iter().enumerate();
    let heads = lanes.clone().map(|(_, (strategy, writers))| {
        let name = lane_name(strategy, writers);
        view! { <th scope="col" class="n">{name}<span class="deltas__against">"median (min – max)"</span></th> }
    });
    let heads = heads.collect_view();
    let rows = FIGURES.iter().map(|figure| {
        let cells = lanes.clone().map(|(lane, _)| {
            let spread = repeats.spread(lane, figure.of);
            let range = (spread.max > spread.min)
                .then(|| view! { <span class="change">{format!("{} – {}", number(spread.min), number(spread.max))}</span> });
            view! { <td class="n"><span class="deltas__value">{number(spread.median)}</span>{range}</td> }
        });
        let unit = (!figure.unit.is_empty()).then(|| view! { <span class="quiet">" "{figure.unit}</span> });
        view! { <tr><th scope="row" class="tight">{figure.name}{unit}</th>{cells.collect_view()}</tr> }
    });
    let rows = rows.collect_view();
    let caption = format!("{title}: {count} runs");
    view! {
        <div class="table-wrap" role="region" aria-label=title tabindex="0">
            <table class="table deltas">
                <caption>{caption}</caption>
                <thead><tr><th scope="col">"Figure"</th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}
