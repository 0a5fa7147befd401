//! The chart of a run that the server renders, for pages without scripts.

use leptos::prelude::*;

use crate::{
    model::{LaneSnapshot, sample::thinned_to},
    ui::chart::{Plot, Series, SeriesKey},
};

/// Points of one curve, if there is one lane. Several lanes share twice as many.
const POINTS_MAX: usize = 300;

/// The chart that the server rendered. A script replaces it with interactive charts.
#[component]
pub fn Picture(lanes: Vec<LaneSnapshot>, each: u32) -> impl IntoView {
    let points_max = match lanes.len() {
        0..=1 => POINTS_MAX,
        several => 2 * POINTS_MAX / several,
    };
    let thinned = lanes.into_iter().map(|lane| LaneSnapshot {
        samples: thinned_to(&lane.samples, points_max),
        ..lane
    });
    let lanes: Vec<_> = thinned.collect();
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
                <h2 id="chart-title">"Stock and attempts over time"</h2>
                {series}
            </div>
            <Plot lanes units_per_attempt=each/>
        </figure>
    }
}
