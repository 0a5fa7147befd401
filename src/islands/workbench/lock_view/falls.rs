//! Where the first buyers of one lane spent their time.

use leptos::prelude::*;

use super::fold::Fold;
use crate::{
    model::waterfall::Waterfall,
    ui::waterfall::{FallRows, Falls, Legend, note},
};

/// The waterfall, and the same as a table. `of` names the lane, if there are several; it is the one at `index`.
pub fn falls(waterfall: Memo<Waterfall>, index: usize, of: Option<String>) -> impl IntoView {
    let table = Fold::default();
    let tabled = table.shows(waterfall);
    let title = format!("falls-{index}");
    let caption = format!("First attempts{}", of.clone().unwrap_or_default());
    view! {
        <figure class="panel chart" aria-labelledby=title.clone() data-testid="waterfall">
            <div class="chart__head">
                <h2 id=title.clone()>"The first buyers, moment by moment"{of}</h2>
                <Legend/>
            </div>
            {move || view! { <Falls waterfall=waterfall.get() index/> }}
            <p class="quiet">{move || waterfall.with(|waterfall| note(waterfall.precision()))}</p>
            <details class="locks__table" on:toggle=move |event| table.toggled(&event)>
                <summary>"The same as a table"</summary>
                <div class="table-wrap" tabindex="0" role="region" aria-label=caption.clone()>
                    <table class="table">
                        <caption>{caption.clone()}</caption>
                        <thead>
                            <tr>
                                <th scope="col" class="n">"Buyer"</th>
                                <th scope="col" class="n">"Attempt"</th>
                                <th scope="col" class="n">"Start (ms)"</th>
                                <th scope="col" class="n">"Connection (ms)"</th>
                                <th scope="col" class="n">"Lock (ms)"</th>
                                <th scope="col" class="n">"Execute (ms)"</th>
                                <th scope="col" class="n">"Commit (ms)"</th>
                                <th scope="col" class="n">"Elsewhere (ms)"</th>
                                <th scope="col" class="n">"In all (ms)"</th>
                                <th scope="col">"Outcome"</th>
                                <th scope="col" class="n">"Retries"</th>
                            </tr>
                        </thead>
                        <tbody>{move || view! { <FallRows waterfall=tabled.get()/> }}</tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
}
