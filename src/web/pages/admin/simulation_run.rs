//! `/admin/simulations/{id}`: a run in progress, or a stored run.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::{
    Subnav, export_panel::ExportPanel, picture::Picture, run_label::RunLabelForm, samples,
    strategy::Understand,
};
use crate::{
    islands::workbench::{FetchedDetails, Keys, LiveRun, LockView, keys::Key},
    model::{
        LaneSnapshot, RunSnapshot, ShopError, SimulationPlan, lock_queue::LaneLocks, plan::PlanForm,
    },
    ui::{notice::ErrorNotice, safety_badge::SafetyBadge},
    web::{
        audience::Audience,
        pages::{
            chart_assets::ChartAssets,
            form_error::FormError,
            form_key::FormKey,
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
        runs,
        session::Notice,
    },
};

/// `/admin/simulations/{id}`
#[component]
pub fn SimulationRunPage() -> impl IntoView {
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
            None => match runs::find_with_locks(visit.shop(), id).await {
                Err(ShopError::InvalidState(reason)) => return Ok(unreadable_page(reason)),
                found => found?,
            },
        };
        let notice = visit.take_notice().await?;
        let is_over = run.state.is_over();
        let page = Page::private(
            run.name.clone(),
            Bundle::Workbench,
            view! { <RunView run locks is_here=live.is_some() audience=visit.audience() notice/> },
        )
        .wide();
        // Without JavaScript the page reloads itself to follow the run.
        Ok(if is_over {
            page
        } else {
            page.refreshed_after(2)
        })
    })
}

/// The page of a run that is stored, but cannot be read.
fn unreadable_page(reason: String) -> Page {
    let body = view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead title="Unreadable run"/>
            <ErrorNotice title=reason>
                <p>"The version that stored it can still show it. It is deleted with the other old runs."</p>
            </ErrorNotice>
            <p class="run__actions"><a class="btn btn--line" href="/admin/simulations/runs">"All runs"</a></p>
        </main>
    };
    Page::private("Unreadable run", Bundle::None, body)
}

#[component]
fn RunView(
    run: RunSnapshot,
    locks: Vec<LaneLocks>,
    /// True if it runs in this server process.
    is_here: bool,
    audience: Audience,
    notice: Option<Notice>,
) -> impl IntoView {
    let stock = run.lanes.first().map_or(0, |lane| lane.stock);
    let lead = format!(
        "{}, {stock} units in stock, {}. Started {}.",
        run.plan.buyers_in_words(),
        run.plan.strategy_names(),
        run.started_in_utc()
    );
    let plan = run.plan.clone();
    let strategies = plan
        .strategies
        .iter()
        .map(|strategy| view! { <Understand strategy=*strategy/> })
        .collect_view();
    let running = !run.state.is_over();
    let each = run.plan.quantities.max().get();
    let (live, drawn) = (run.clone().without_points(), run.lanes.clone());
    let lane_names: Vec<_> = run.lanes.iter().map(LaneSnapshot::name).collect();
    let address = format!("/admin/simulations/{}", run.id);
    let locks = match locks.len() {
        0..=1 => locks,
        _ => locks.into_iter().map(LaneLocks::preview).collect(),
    };
    let export = view! { <ExportPanel run=run.clone() audience/> };
    view! {
        <main class="page page--run page--wide" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead title=run.name.clone() lead/>
            <Keys/>
            <FormError notice=notice.clone() consequence="The run is unchanged."/>
            <RunLabelForm run=run.clone() notice/>
            <LiveRun run=live><Picture lanes=drawn each/></LiveRun>
            <LockView lanes=locks names=lane_names running=running && is_here href=format!("{address}/locks")/>
            <PlanSummary run/>
            <section class="understand-part" aria-labelledby="understand-title">
                <h2 class="section-title" id="understand-title">"Understand"</h2>
                <div class="understand">{strategies}</div>
            </section>
            {export}
            <FetchedDetails
                summary="Table of samples".to_owned()
                link="Samples as tables".to_owned()
                href=format!("{address}/samples")
                part=samples::TABLES.to_owned()
            />
            <ChartAssets/>
            <RunAgain plan/>
        </main>
    }
}

/// Buttons to run the same plan again, or to change it first. The link contains the whole plan.
#[component]
fn RunAgain(plan: SimulationPlan) -> impl IntoView {
    let form = PlanForm::from(&plan);
    let hidden = form
        .fields()
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value.to_owned()/> })
        .collect_view();
    view! {
        <div class="run__actions">
            <form method="post" action="/api/form/admin/simulate">
                <FormKey/>
                {hidden}
                <button class="btn btn--primary" type="submit" aria-keyshortcuts="r">
                    "Run again with the same seed "<Key key="r"/>
                </button>
            </form>
            <a class="btn btn--line" href=format!("{}#bench", form.address()) aria-keyshortcuts="e">
                "Change and run "<Key key="e"/>
            </a>
            <a class="btn btn--text" href="/admin/simulations">"All runs"</a>
        </div>
    }
}

#[component]
fn PlanSummary(run: RunSnapshot) -> impl IntoView {
    let product = match (run.plan.product_id, run.lanes.first()) {
        (Some(_), Some(lane)) => lane.product_name.clone(),
        _ => "Private lane".to_owned(),
    };
    let stock = run.lanes.first().map_or(0, |lane| lane.stock);
    let plan = run.plan;
    let strategies = plan.strategies.iter().map(|key| {
        view! { <span class="facts__line">{key.as_str()}" "<SafetyBadge strategy=*key/></span> }
    });
    view! {
        <section class="panel story" aria-labelledby="story-title">
            <h2 id="story-title">"Plan"</h2>
            <dl class="facts" aria-label="Parameters of the run">
                <dt>"Product"</dt><dd>{product}</dd>
                <dt>"Strategy"</dt><dd>{strategies.collect_view()}</dd>
                <dt>"Buyers"</dt><dd>{plan.buyers}</dd>
                <dt>"Stock"</dt><dd>{stock}</dd>
                <dt>"Units per attempt"</dt><dd>{plan.quantities.to_string()}</dd>
                <dt>"Attempts per buyer"</dt><dd>{plan.rounds}</dd>
                <dt>"Race window"</dt><dd>{format!("{} ms", plan.race_window_ms)}</dd>
                <dt>"Seed"</dt><dd>{plan.seed}</dd>
                {optional_facts(&plan)
                    .into_iter()
                    .map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> })
                    .collect_view()}
            </dl>
        </section>
    }
}

/// Returns the parameters of a plan that differ from the preset.
fn optional_facts(plan: &SimulationPlan) -> Vec<(&'static str, String)> {
    let preset = SimulationPlan::preset();
    let ms = |ms: u32| format!("{ms} ms");
    let faults: Vec<_> = plan
        .faults
        .iter()
        .map(|(kind, share)| format!("{} {share} %", kind.as_str()))
        .collect();
    let order = if plan.lanes_together {
        "at the same time"
    } else {
        "one at a time"
    };
    let rate = plan.arrivals.rate_per_s().unwrap_or_default();
    [
        (plan.lane_count() > 1, "Lanes", order.to_owned()),
        (rate > 0, "Arrivals", format!("{rate} per second")),
        (plan.ramp_ms > 0, "Time to full load", ms(plan.ramp_ms)),
        (plan.think_time_ms > 0, "Think time", ms(plan.think_time_ms)),
        (
            plan.pool_size != preset.pool_size,
            "Connections",
            plan.pool_size.to_string(),
        ),
        (
            plan.own_servers > 0,
            "Servers",
            plan.own_servers.to_string(),
        ),
        (
            plan.writers.is_some(),
            "Writer nodes",
            plan.writers
                .map_or_else(String::new, |writers| writers.in_words().to_owned()),
        ),
        (!faults.is_empty(), "Faults", faults.join(", ")),
    ]
    .into_iter()
    .filter(|(is_shown, ..)| *is_shown)
    .map(|(_, name, value)| (name, value))
    .collect()
}
