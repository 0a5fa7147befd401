//! The lock queue of one lane.

use leptos::prelude::*;

use super::{LocksLink, collapsible::Collapsible};
use crate::{
    model::{lock_queue::LaneLocks, waterfall::Waterfall},
    ui::lock_queue::{LockPicture, LockRows, LockTable, SnapshotBadge, select_snapshot},
};

/// Shows which sessions hold locks, and which wait for them; after the run, the longest queue. With
/// a `link` to the page that has the table, the table is drawn only while it is open.
pub fn queue_panel(
    lane: RwSignal<LaneLocks>,
    index: usize,
    of: Option<String>,
    running: bool,
    link: Option<String>,
) -> impl IntoView {
    // Without the waterfall, whose rows change at other times.
    let lane = Memo::new(move |_| {
        lane.with(|lane| LaneLocks {
            waterfall: Waterfall::default(),
            ..lane.clone()
        })
    });
    let title = format!("locks-{index}");
    let table = Collapsible::default();
    let in_table = table.while_open(lane);
    let picture = move || match lane.with(|lane| lane.now.is_some()) {
        true => "locks__picture locks__picture--live",
        false => "locks__picture",
    };
    let badge = move |locks: LaneLocks| {
        let (shown, snapshot) = select_snapshot(&locks, running);
        view! { <SnapshotBadge shown elapsed_ms=snapshot.map(|snapshot| snapshot.elapsed_ms)/> }
    };
    let caption = format!(
        "Sessions in the lock queue{}",
        of.clone().unwrap_or_default()
    );
    view! {
        <section class="panel locks" aria-labelledby=title.clone() data-testid="lock-queue">
            <div class="chart__head">
                <h2 id=title.clone()>"Lock queue"{of}</h2>
                {move || badge(lane.get())}
            </div>
            <div class=picture>
                {move || view! { <LockPicture locks=lane.get() running/> }}
            </div>
            <details class="locks__table" on:toggle=move |event| table.toggled(&event)>
                <summary>"Show as table"</summary>
                {move || match &link {
                    Some(href) if !table.is_open() => {
                        view! { <LocksLink href=href.clone()/> }.into_any()
                    }
                    _ => view! {
                        <LockTable caption=caption.clone()>
                            {move || view! { <LockRows locks=in_table.get() running/> }}
                        </LockTable>
                    }
                    .into_any(),
                }}
            </details>
        </section>
    }
}
