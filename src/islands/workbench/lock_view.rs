//! The locks of a run's lanes as they are, and where the first buyers' time went.

mod falls;
mod fold;
mod line;
#[cfg(feature = "hydrate")]
mod news;

use leptos::prelude::*;

use self::{falls::falls, fold::Fold, line::line};
use crate::{
    model::{StrategyKey, lock_queue::LaneLocks, waterfall::Waterfall},
    ui::waterfall::Patterns,
};
#[cfg(feature = "hydrate")]
pub use news::tell;

/// Shows the locks of each lane, and is kept fresh by the page's one stream, which [`super::LiveRun`] reads.
#[island]
pub fn LockView(
    lanes: Vec<LaneLocks>,
    /// Whether the run goes on in this server.
    running: bool,
) -> impl IntoView {
    let names: Vec<_> = lanes.iter().map(|lane| lane.strategy).collect();
    let lanes: Vec<_> = lanes.into_iter().map(RwSignal::new).collect();
    #[cfg(feature = "hydrate")]
    {
        let lanes = lanes.clone();
        Effect::new(move |_| news::listen(lanes.clone()));
    }
    let several = lanes.len() > 1;
    let views = lanes
        .into_iter()
        .zip(names)
        .enumerate()
        .map(|(index, (lane, strategy))| {
            let of = several.then(|| format!(": {strategy}"));
            let waterfall = Memo::new(move |_| lane.with(|lane| lane.waterfall.clone()));
            let first_buyers = if several {
                folded_falls(waterfall, index, strategy).into_any()
            } else {
                falls(waterfall, index, None).into_any()
            };
            view! { {line(lane, index, of, running)} {first_buyers} }
        })
        .collect_view();
    view! { <Patterns/> {views} }
}

/// A row for each of forty buyers: of several lanes, who wants to see them asks for them.
fn folded_falls(waterfall: Memo<Waterfall>, index: usize, strategy: StrategyKey) -> impl IntoView {
    let fold = Fold::default();
    let seen = fold.shows(waterfall);
    view! {
        <details class="samples locks__falls" on:toggle=move |event| fold.toggled(&event)>
            <summary>{format!("The first buyers, moment by moment: {strategy}")}</summary>
            {falls(seen, index, Some(format!(": {strategy}")))}
        </details>
    }
}
