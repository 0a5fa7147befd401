//! The current lock queues of a run's lanes, and how the first buyers spent their time.

mod collapsible;
mod queue;
#[cfg(feature = "hydrate")]
mod updates;
mod waterfall;

use leptos::prelude::*;

use self::{collapsible::Collapsible, queue::queue_panel, waterfall::waterfall_panel};
use crate::{
    model::{lock_queue::LaneLocks, waterfall::Waterfall},
    ui::waterfall::Patterns,
};
#[cfg(feature = "hydrate")]
pub use updates::publish;

/// Shows the lock queues of each lane. The page's one stream, which [`super::LiveRun`] reads,
/// updates them. Several lanes arrive with a preview of their locks, and the stream sends the rest:
/// the page would be ten times as large.
#[island]
pub fn LockView(
    lanes: Vec<LaneLocks>,
    /// The names of the lanes.
    names: Vec<String>,
    /// Whether this server executes the run.
    running: bool,
    /// The page that shows everything without JavaScript.
    href: String,
) -> impl IntoView {
    let lanes: Vec<_> = lanes.into_iter().map(RwSignal::new).collect();
    #[cfg(feature = "hydrate")]
    {
        let lanes = lanes.clone();
        Effect::new(move |_| updates::register(lanes.clone()));
    }
    let several = lanes.len() > 1;
    let views = lanes
        .into_iter()
        .zip(names)
        .enumerate()
        .map(|(index, (lane, name))| {
            let of = several.then(|| format!(": {name}"));
            let waterfall = Memo::new(move |_| lane.with(|lane| lane.waterfall.clone()));
            let link = several.then(|| href.clone());
            let first_buyers = if several {
                collapsed_waterfall(waterfall, index, name, href.clone()).into_any()
            } else {
                waterfall_panel(waterfall, index, None).into_any()
            };
            view! { {queue_panel(lane, index, of, running, link)} {first_buyers} }
        })
        .collect_view();
    view! { <Patterns/> {views} }
}

/// Shows the waterfall, up to forty rows, in a collapsible element, and draws it only while that is
/// open: a page of several lanes has several.
fn collapsed_waterfall(
    waterfall: Memo<Waterfall>,
    index: usize,
    name: String,
    href: String,
) -> impl IntoView {
    let details = Collapsible::default();
    let summary = format!("Timeline of the first buyers: {name}");
    view! {
        <details class="samples locks__falls" on:toggle=move |event| details.toggled(&event)>
            <summary>{summary}</summary>
            {move || if details.is_open() {
                waterfall_panel(waterfall, index, Some(format!(": {name}"))).into_any()
            } else {
                view! { <LocksLink href=href.clone()/> }.into_any()
            }}
        </details>
    }
}

/// A link to the page with the lock queues and timelines of all lanes.
#[component]
fn LocksLink(href: String) -> impl IntoView {
    view! { <p class="samples__link"><a href=href>"Lock queues and timelines of all lanes"</a></p> }
}
