//! The timeline of the first buyers of one lane.

use leptos::prelude::*;

use super::collapsible::Collapsible;
use crate::{
    model::waterfall::Waterfall,
    ui::waterfall::{Legend, WaterfallChart, WaterfallRows, WaterfallTable, note},
};

/// Shows the waterfall of the lane at `index`, as a chart and as a table. `of` names the lane, if
/// there are several.
pub fn waterfall_panel(
    waterfall: Memo<Waterfall>,
    index: usize,
    of: Option<String>,
) -> impl IntoView {
    let table = Collapsible::default();
    let in_table = table.while_open(waterfall);
    let title = format!("falls-{index}");
    let caption = format!("First attempts{}", of.clone().unwrap_or_default());
    view! {
        <figure class="panel chart" aria-labelledby=title.clone() data-testid="waterfall">
            <div class="chart__head">
                <h2 id=title.clone()>"Timeline of the first buyers"{of}</h2>
                <Legend/>
            </div>
            {move || view! { <WaterfallChart waterfall=waterfall.get() index/> }}
            <p class="quiet">{move || waterfall.with(|waterfall| note(waterfall.precision()))}</p>
            <details class="locks__table" on:toggle=move |event| table.toggled(&event)>
                <summary>"Show as table"</summary>
                <WaterfallTable caption=caption>
                    {move || view! { <WaterfallRows waterfall=in_table.get()/> }}
                </WaterfallTable>
            </details>
        </figure>
    }
}
