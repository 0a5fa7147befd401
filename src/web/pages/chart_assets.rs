//! What a page with charts loads besides its bundle.

use leptos::prelude::*;

use crate::web::assets;

/// The charts' own script and the library that draws them. Without either, the pictures that the server drew stay.
#[component]
pub fn ChartAssets() -> impl IntoView {
    view! {
        <link rel="stylesheet" href=assets::href("vendor/uplot-1.6.32/uPlot.min.css")/>
        <script defer src=assets::href("vendor/uplot-1.6.32/uPlot.iife.min.js")></script>
        <script type="module" src=assets::href("charts/run-charts.js")></script>
    }
}
