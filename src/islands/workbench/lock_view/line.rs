//! The line at the lock of one lane.

use leptos::prelude::*;

use super::fold::Fold;
use crate::{
    model::{lock_queue::LaneLocks, waterfall::Waterfall},
    ui::lock_queue::{LockPicture, LockRows, MomentBadge, shown},
};

/// Who holds, and who waits for whom; after the run, as it was when most waited.
pub fn line(
    lane: RwSignal<LaneLocks>,
    index: usize,
    of: Option<String>,
    running: bool,
) -> impl IntoView {
    // Without the rows of the waterfall, which change at other times.
    let lane = Memo::new(move |_| {
        lane.with(|lane| LaneLocks {
            waterfall: Waterfall::default(),
            ..lane.clone()
        })
    });
    let title = format!("locks-{index}");
    let table = Fold::default();
    let tabled = table.shows(lane);
    let picture = move || match lane.with(|lane| lane.now.is_some()) {
        true => "locks__picture locks__picture--live",
        false => "locks__picture",
    };
    let badge = move |locks: LaneLocks| {
        let (moment, queue) = shown(&locks, running);
        view! { <MomentBadge moment elapsed_ms=queue.map(|queue| queue.elapsed_ms)/> }
    };
    let caption = format!("Sessions at the lock{}", of.clone().unwrap_or_default());
    view! {
        <section class="panel locks" aria-labelledby=title.clone() data-testid="lock-queue">
            <div class="chart__head">
                <h2 id=title.clone()>"The line at the lock"{of}</h2>
                {move || badge(lane.get())}
            </div>
            <div class=picture>
                {move || view! { <LockPicture locks=lane.get() running/> }}
            </div>
            <details class="locks__table" on:toggle=move |event| table.toggled(&event)>
                <summary>"The same as a table"</summary>
                <div class="table-wrap" tabindex="0" role="region" aria-label=caption.clone()>
                    <table class="table">
                        <caption>{caption.clone()}</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Session"</th>
                                <th scope="col">"Role"</th>
                                <th scope="col">"State"</th>
                                <th scope="col" class="n">"At this lock, or in its transaction (ms)"</th>
                                <th scope="col" class="n">"In this statement (ms)"</th>
                                <th scope="col">"Waits for"</th>
                                <th scope="col">"Lock"</th>
                                <th scope="col">"Statement"</th>
                            </tr>
                        </thead>
                        <tbody>{move || view! { <LockRows locks=tabled.get() running/> }}</tbody>
                    </table>
                </div>
            </details>
        </section>
    }
}
