//! `/admin/simulations/{id}`: one run, live or as it ended.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use uuid::Uuid;

use super::Subnav;
use crate::{
    islands::workbench::LiveRun,
    model::{RunSnapshot, RunState, Sample, ShopError},
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
            view! { <RunView run/> },
        ))
    })
}

#[component]
fn RunView(run: RunSnapshot) -> impl IntoView {
    let lead = format!(
        "{} buyers at a shelf of {}, by {}. Started {}.",
        run.plan.buyers, run.stock, run.plan.strategy, run.started_at
    );
    let running = run.state == RunState::Running;
    let samples = run.samples.clone();
    view! {
        <main class="page" id="main" tabindex="-1">
            // Without JavaScript the page follows the run by loading itself again.
            {running.then(|| view! { <noscript><meta http-equiv="refresh" content="2"/></noscript> })}
            <Subnav current="/admin/simulations"/>
            <div class="page-head">
                <h1>"Flash sale: "{run.product_name.clone()}</h1>
                <p class="page-head__lead">{lead}</p>
            </div>
            <LiveRun run=run.clone()><Story run=run.clone()/></LiveRun>
            <Samples samples/>
            <p class="run__actions"><a class="btn btn--line" href="/admin/simulations">"All runs"</a></p>
        </main>
    }
}

#[component]
fn Story(run: RunSnapshot) -> impl IntoView {
    let plan = run.plan;
    let safety = if plan.strategy.is_safe() {
        ("badge badge--ok", "Safe")
    } else {
        ("badge badge--bad", "Unsafe")
    };
    let shelf = match plan.product_id {
        Some(_) => run.product_name,
        None => "Private lane".to_owned(),
    };
    view! {
        <section class="panel story" aria-labelledby="story-title">
            <h2 id="story-title">"How stock was taken"</h2>
            <p>{plan.strategy.explanation()}</p>
            <dl class="facts" aria-label="Parameters of the run">
                <dt>"Shelf"</dt><dd>{shelf}</dd>
                <dt>"Strategy"</dt><dd>{plan.strategy.as_str()}" "<span class=safety.0>{safety.1}</span></dd>
                <dt>"Buyers"</dt><dd>{plan.buyers}</dd>
                <dt>"Stock"</dt><dd>{run.stock}</dd>
                <dt>"Units for each attempt"</dt><dd>{plan.quantity.get()}</dd>
                <dt>"Attempts of each buyer"</dt><dd>{plan.rounds}</dd>
                <dt>"Race window"</dt><dd>{format!("{} ms", plan.race_window_ms)}</dd>
                <dt>"Seed"</dt><dd>{plan.seed}</dd>
            </dl>
        </section>
    }
}

#[component]
fn Samples(samples: Vec<Sample>) -> impl IntoView {
    let rows = samples
        .into_iter()
        .map(|sample| {
            view! {
                <tr>
                    <th scope="row" class="n">{sample.elapsed_ms}</th>
                    <td class="n">{sample.remaining}</td>
                    <td class="n">{sample.succeeded}</td>
                    <td class="n">{sample.rejected + sample.failed}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <details class="samples">
            <summary>"Table of samples, as of this page’s load"</summary>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Samples">
                <table class="table">
                    <caption>"Samples of this run"</caption>
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
