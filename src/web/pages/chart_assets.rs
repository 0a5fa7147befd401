//! Scripts and styles that a page with charts loads in addition to its bundle.

use leptos::prelude::*;

use crate::web::assets;

/// The chart script and the chart library. If either does not load, the page keeps the charts that
/// the server rendered.
#[component]
pub fn ChartAssets() -> impl IntoView {
    view! {
        <link rel="stylesheet" href=assets::href("vendor/uplot-1.6.32/uPlot.min.css")/>
        <script defer src=assets::href("vendor/uplot-1.6.32/uPlot.iife.min.js")></script>
        <script type="module" src=assets::href("charts/run-charts.js")></script>
    }
}
