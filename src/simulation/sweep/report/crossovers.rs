//! The list of crossover points.

use leptos::prelude::*;

use super::number;
use crate::simulation::{
    spread::RUNS_EACH_MIN,
    sweep::{Sweep, crossover::Crossover},
};

/// Renders the section, also if there is no crossover: that is a result too.
pub fn section(sweep: &Sweep) -> impl IntoView + use<> {
    let content = if sweep.crossovers.is_empty() {
        let why = if sweep.plan.repeat < RUNS_EACH_MIN {
            "So few repeats cannot show a difference. Run at least four to find crossovers."
        } else if sweep.plan.buyers.len() < 2 || sweep.plan.strategies.len() < 2 {
            "A crossover needs at least two strategies and two numbers of buyers."
        } else {
            "None found: these runs show no safe strategy that is faster than another with few buyers and slower with \
             many. More attempts per buyer, or more repeats, show smaller differences."
        };
        view! { <p class="quiet">{why}</p> }.into_any()
    } else {
        let several = sweep.plan.stocks.len() > 1;
        let rows = sweep
            .crossovers
            .iter()
            .map(|crossover| row(crossover, several));
        let stock = several.then(|| view! { <th scope="col" class="n">"Stock"</th> });
        view! {
            <div class="scroll" role="region" aria-label="Crossover points" tabindex="0">
                <table class="list">
                    <thead>
                        <tr>
                            {stock}
                            <th scope="col" class="n">"From"</th>
                            <th scope="col">"is faster"</th>
                            <th scope="col">"than"</th>
                            <th scope="col" class="n">"Measured between"</th>
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="panel">
            <h2>"Crossover points"</h2>
            <p class="quiet">
                "The number of buyers at which one safe strategy overtakes another: where their medians meet, interpolated on a logarithmic scale. \
                A crossover is listed only if the repeats show a difference at both ends, \
                in runs of 100 ms or longer."
            </p>
            {content}
        </section>
    }
}

fn row(crossover: &Crossover, with_stock: bool) -> impl IntoView + use<> {
    let stock = with_stock.then(|| {
        view! { <td class="n">{number::grouped(crossover.stock.into())}</td> }
    });
    let (from, to) = crossover.between;
    view! {
        <tr>
            {stock}
            <td class="n"><b>{number::short(crossover.buyers)}</b>" buyers"</td>
            <th scope="row">{crossover.overtaking.as_str()}</th>
            <td>{crossover.overtaken.as_str()}</td>
            <td class="n quiet">{format!("{from} and {to}")}</td>
        </tr>
    }
}
