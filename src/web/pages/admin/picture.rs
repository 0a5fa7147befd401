//! The picture of a run without a script.

use leptos::prelude::*;

use crate::{
    model::LaneSnapshot,
    ui::chart::{Plot, Series, SeriesKey},
};

/// The rush as the server drew it, until a script draws more, or where none does.
#[component]
pub fn Picture(lanes: Vec<LaneSnapshot>, each: u32) -> impl IntoView {
    let series = (lanes.len() == 1).then(|| {
        view! {
            <ul class="chart__legend" aria-label="Legend">
                <li><SeriesKey series=Series::Stock/>"Stock remaining"</li>
                <li><SeriesKey series=Series::Sold/>"Successes"</li>
                <li><SeriesKey series=Series::Rejected/>"Rejections"</li>
            </ul>
        }
    });
    view! {
        <figure class="panel chart" aria-labelledby="chart-title">
            <div class="chart__head">
                <h2 id="chart-title">"The rush, moment by moment"</h2>
                {series}
            </div>
            <Plot lanes each/>
        </figure>
    }
}
