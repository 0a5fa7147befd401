//! `/admin/simulations/{id}/locks`: the lock queues of a run's lanes, and the timelines of their
//! first buyers, as pictures and tables. With several lanes, the page of the run shows them only
//! when they are opened, which needs JavaScript.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::Subnav;
use crate::{
    model::{LaneSnapshot, RunSnapshot, lock_queue::LaneLocks},
    ui::{
        lock_queue::{LockPicture, LockRows, LockTable},
        waterfall::{Legend, Patterns, WaterfallChart, WaterfallRows, WaterfallTable, note},
    },
    web::{
        pages::{
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
        runs,
    },
};

/// `/admin/simulations/{id}/locks`
#[component]
pub fn RunLocksPage() -> impl IntoView {
    let id = use_params_map()
        .get_untracked()
        .get("id")
        .unwrap_or_default();
    framed(|visit| async move {
        visit.require_admin().await?;
        let id = runs::parse(&id)?;
        let live = visit.runs().get(id);
        let (run, locks) = match &live {
            Some(live) => (live.snapshot(), live.locks()),
            None => runs::find_with_locks(visit.shop(), id).await?,
        };
        let running = live.is_some() && !run.state.is_over();
        let body = view! { <RunLocksView run locks running/> };
        Ok(Page::private("Lock queues and timelines", Bundle::None, body).wide())
    })
}

#[component]
fn RunLocksView(run: RunSnapshot, locks: Vec<LaneLocks>, running: bool) -> impl IntoView {
    let lead = format!(
        "{}, started {}.",
        run.plan.strategy_names(),
        run.started_in_utc()
    );
    let address = format!("/admin/simulations/{}", run.id);
    let names = run.lanes.iter().map(LaneSnapshot::name);
    let lanes = locks.into_iter().zip(names).enumerate();
    let lanes = lanes.map(|(index, (lane, name))| view! { <LaneView lane name index running/> });
    view! {
        <main class="page page--wide" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead title="Lock queues and timelines" lead/>
            <Patterns/>
            {lanes.collect_view()}
            <p class="run__actions"><a class="btn btn--line" href=address>"Back to the run"</a></p>
        </main>
    }
}

#[component]
fn LaneView(lane: LaneLocks, name: String, index: usize, running: bool) -> impl IntoView {
    let (queue, falls) = (format!("locks-{index}"), format!("falls-{index}"));
    let waterfall = lane.waterfall.clone();
    view! {
        <section class="panel locks" aria-labelledby=queue.clone()>
            <div class="chart__head"><h2 id=queue.clone()>{format!("Lock queue: {name}")}</h2></div>
            <div class="locks__picture"><LockPicture locks=lane.clone() running/></div>
            <LockTable caption=format!("Sessions in the lock queue: {name}")>
                <LockRows locks=lane running/>
            </LockTable>
        </section>
        <figure class="panel chart" aria-labelledby=falls.clone()>
            <div class="chart__head">
                <h2 id=falls.clone()>{format!("Timeline of the first buyers: {name}")}</h2>
                <Legend/>
            </div>
            <WaterfallChart waterfall=waterfall.clone() index/>
            <p class="quiet">{note(waterfall.precision())}</p>
            <WaterfallTable caption=format!("First attempts: {name}")>
                <WaterfallRows waterfall/>
            </WaterfallTable>
        </figure>
    }
}
