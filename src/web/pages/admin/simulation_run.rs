//! `/admin/simulations/{id}`: one run, live or as it ended.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use uuid::Uuid;

use super::{Subnav, keep::Keep};
use crate::{
    islands::workbench::LiveRun,
    model::{RunSnapshot, RunState, Sample, ShopError, SimulationPlan, StrategyKey},
    simulation::store,
    web::pages::frame::{Bundle, Page, framed},
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
        let id = Uuid::try_parse(&id).map_err(|_| ShopError::UnknownSimulation)?;
        let run = match visit.engine().runs().get(id) {
            Some(live) => live.snapshot(),
            None => store::find(visit.shop().db(), id).await?,
        };
        Ok(Page::private(
            "Simulation run",
            Bundle::Workbench,
            view! { <RunView run public_url=visit.public_url().to_owned()/> },
        ))
    })
}

#[component]
fn RunView(run: RunSnapshot, public_url: String) -> impl IntoView {
    let mut shelves: Vec<_> = run
        .lanes
        .iter()
        .map(|lane| lane.product_name.clone())
        .collect();
    shelves.dedup();
    let stock = run.lanes.first().map_or(0, |lane| lane.stock);
    let lead = format!(
        "{} buyers at a shelf of {stock}, by {}. Started {}.",
        run.plan.buyers,
        run.plan.strategies_in_words(),
        run.started_at
    );
    let running = run.state == RunState::Running;
    let several = run.lanes.len() > 1;
    let samples = run.lanes.clone().into_iter();
    let samples = samples
        .map(|lane| {
            let of = if several { Some(lane.strategy) } else { None };
            view! { <Samples samples=lane.samples of/> }
        })
        .collect_view();
    let keep = view! { <Keep run=run.clone() public_url/> };
    view! {
        <main class="page" id="main" tabindex="-1">
            // Without JavaScript the page follows the run by loading itself again.
            {running.then(|| view! { <noscript><meta http-equiv="refresh" content="2"/></noscript> })}
            <Subnav current="/admin/simulations"/>
            <div class="page-head">
                <h1>"Flash sale: "{shelves.join(", ")}</h1>
                <p class="page-head__lead">{lead}</p>
            </div>
            <LiveRun run=run.clone()><Story run=run.clone()/></LiveRun>
            {samples}
            {keep}
            <p class="run__actions"><a class="btn btn--line" href="/admin/simulations">"All runs"</a></p>
        </main>
    }
}

#[component]
fn Story(run: RunSnapshot) -> impl IntoView {
    let shelf = match (run.plan.product_id, run.lanes.first()) {
        (Some(_), Some(lane)) => lane.product_name.clone(),
        _ => "Private lane".to_owned(),
    };
    let stock = run.lanes.first().map_or(0, |lane| lane.stock);
    let plan = run.plan;
    let hows = plan.strategies.iter().map(|key| {
        let name =
            (plan.strategies.len() > 1).then(|| view! { <strong>{key.as_str()}</strong>": " });
        view! { <p>{name}{key.explanation()}</p> }
    });
    let strategies = plan.strategies.iter().map(|key| {
        let safety = if key.is_safe() {
            ("badge badge--ok", "Safe")
        } else {
            ("badge badge--bad", "Unsafe")
        };
        view! { <span class="facts__line">{key.as_str()}" "<span class=safety.0>{safety.1}</span></span> }
    });
    view! {
        <section class="panel story" aria-labelledby="story-title">
            <h2 id="story-title">"How stock was taken"</h2>
            {hows.collect_view()}
            <dl class="facts" aria-label="Parameters of the run">
                <dt>"Shelf"</dt><dd>{shelf}</dd>
                <dt>"Strategy"</dt><dd>{strategies.collect_view()}</dd>
                <dt>"Buyers"</dt><dd>{plan.buyers}</dd>
                <dt>"Stock"</dt><dd>{stock}</dd>
                <dt>"Units for each attempt"</dt><dd>{plan.quantities.to_string()}</dd>
                <dt>"Attempts of each buyer"</dt><dd>{plan.rounds}</dd>
                <dt>"Race window"</dt><dd>{format!("{} ms", plan.race_window_ms)}</dd>
                <dt>"Seed"</dt><dd>{plan.seed}</dd>
                {facts(&plan)
                    .into_iter()
                    .map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> })
                    .collect_view()}
            </dl>
        </section>
    }
}

/// What is worth saying of a plan that goes beyond the preset.
fn facts(plan: &SimulationPlan) -> Vec<(&'static str, String)> {
    let preset = SimulationPlan::preset();
    let ms = |ms: u32| format!("{ms} ms");
    let faults: Vec<_> = plan
        .faults
        .iter()
        .map(|(kind, share)| format!("{} {share} %", kind.as_str()))
        .collect();
    let order = if plan.lanes_together {
        "together"
    } else {
        "one after the other"
    };
    let rate = plan.arrivals.rate_per_s().unwrap_or_default();
    [
        (plan.strategies.len() > 1, "Lanes", order.to_owned()),
        (rate > 0, "Arrivals", format!("{rate} a second")),
        (plan.ramp_ms > 0, "Ramp", ms(plan.ramp_ms)),
        (plan.think_time_ms > 0, "Think time", ms(plan.think_time_ms)),
        (
            plan.pool_size != preset.pool_size,
            "Connections",
            plan.pool_size.to_string(),
        ),
        (!faults.is_empty(), "Faults", faults.join(", ")),
    ]
    .into_iter()
    .filter(|(said, ..)| *said)
    .map(|(_, name, value)| (name, value))
    .collect()
}

#[component]
fn Samples(
    samples: Vec<Sample>,
    /// Of which lane, where there are several.
    #[prop(optional_no_strip)]
    of: Option<StrategyKey>,
) -> impl IntoView {
    let of = of.map(|strategy| format!(", {strategy}"));
    let label = format!("Samples{}", of.clone().unwrap_or_default());
    let rows = samples
        .into_iter()
        .map(|sample| {
            view! {
                <tr>
                    <th scope="row" class="n">{sample.elapsed_ms}</th>
                    <td class="n">{sample.remaining}</td>
                    <td class="n">{sample.succeeded}</td>
                    <td class="n">{sample.turned_away()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <details class="samples">
            <summary>"Table of samples, as of this page’s load"{of.clone()}</summary>
            <div class="table-wrap" tabindex="0" role="region" aria-label=label>
                <table class="table">
                    <caption>"Samples of this run"{of}</caption>
                    <thead>
                        <tr>
                            <th scope="col" class="n">"Time (ms)"</th>
                            <th scope="col" class="n">"Stock remaining"</th>
                            <th scope="col" class="n">"Successes"</th>
                            <th scope="col" class="n">"Rejections"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}
