//! `/admin/simulations/compare?run=…&run=…`: compares two to four runs. The URL contains all of its
//! state, so it can be saved.

mod deltas;
mod repeats;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    Subnav, run_badge,
    run_list::{RUNS_SHOWN, RunList},
};
use crate::{
    model::{LaneSnapshot, ShopError},
    simulation::{
        comparison::{
            self, ComparedLane, ComparedParameter, Comparison, RUNS_MAX, RUNS_MIN, run_letter,
        },
        store::{self, RunFilter, RunPage},
    },
    ui::{
        curves::{CurveKey, CurveStyle, Curves},
        notice::ErrorNotice,
        run_curves::METRICS,
    },
    web::{
        pages::{
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
        runs,
        session::Visit,
    },
};
use deltas::Deltas;
use repeats::RepeatTables;

/// `/admin/simulations/compare`
#[component]
pub fn ComparePage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let ids = query.get_all("run").unwrap_or_default();
    framed(|visit| async move {
        visit.require_admin().await?;
        let chosen = distinct(ids)?;
        if let Err(error) = comparison::check_count(chosen.len()) {
            visit.set_status(&error);
            let filter = RunFilter::default();
            let page = store::list(visit.shop().db(), filter, RUNS_SHOWN).await?;
            let body = view! { <ChooseView chosen=chosen.len() page filter/> };
            return Ok(Page::private("Compare runs", Bundle::None, body));
        }
        let comparison = load(&visit, chosen).await?;
        let body = view! { <CompareView comparison/> };
        Ok(Page::private("Compare runs", Bundle::None, body).wide())
    })
}

/// Returns each requested run once, however its id is spelled, so that no run is compared with
/// itself.
fn distinct(ids: Vec<String>) -> Result<Vec<String>, ShopError> {
    let mut chosen: Vec<String> = Vec::new();
    for id in ids {
        let id = runs::parse(&id)?.to_string();
        if !chosen.contains(&id) {
            chosen.push(id);
        }
    }
    Ok(chosen)
}

async fn load(visit: &Visit, chosen: Vec<String>) -> Result<Comparison, ShopError> {
    let mut found = Vec::with_capacity(chosen.len());
    for id in chosen {
        found.push(runs::find(visit.shop(), visit.runs(), &id).await?);
    }
    let mut repeats = Vec::new();
    for plan in comparison::plans(&found) {
        repeats.push(store::runs_of_plan(visit.shop().db(), &plan).await?);
    }
    Ok(Comparison::of(found, repeats))
}

/// Shows the list of runs again, because too few or too many were selected.
#[component]
fn ChooseView(chosen: usize, page: RunPage, filter: RunFilter) -> impl IntoView {
    let title = format!("Choose {RUNS_MIN} to {RUNS_MAX} runs");
    let selected = match chosen {
        0 => "No run is selected.".to_owned(),
        1 => "Only one run is selected.".to_owned(),
        more => format!("{more} runs are selected."),
    };
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead title="Compare runs"/>
            <ErrorNotice title><p>{selected}</p></ErrorNotice>
            <RunList page filter/>
        </main>
    }
}

#[component]
fn CompareView(comparison: Comparison) -> impl IntoView {
    let runs = comparison.runs.iter().enumerate().map(|(index, run)| {
        let (class, word) = run_badge(run);
        view! {
            <li>
                <strong class="compare__letter">{run_letter(index)}</strong>
                <a href=format!("/admin/simulations/{}", run.id)>{run.name.clone()}</a>
                <span>{run.plan.strategy_names()}</span>
                <span class="quiet">{run.started_in_utc()}</span>
                <span class=class>{word}</span>
            </li>
        }
    });
    let runs = runs.collect_view();
    view! {
        <main class="page page--wide" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead
                title="Compare runs"
                lead="Run A is the baseline. Each lane is compared with A’s lane of the same strategy, or with A’s first lane."
            />
            <ol class="panel compare__runs" aria-label="Runs">{runs}</ol>
            <Overlays comparison=comparison.clone()/>
            <Deltas comparison=comparison.clone()/>
            <Differences parameters=comparison.parameters.clone() runs=comparison.runs.len()/>
            <RepeatTables repeats=comparison.repeats/>
            <p class="run__actions"><a class="btn btn--line" href="/admin/simulations/runs">"All runs"</a></p>
        </main>
    }
}

/// Returns the look of a lane in every chart and table of the comparison.
fn curve_style(entry: &ComparedLane, lane: &LaneSnapshot) -> CurveStyle {
    CurveStyle::OfRun {
        strategy: lane.strategy,
        letter: run_letter(entry.run),
    }
}

/// Shows one chart per metric, with a curve per lane.
#[component]
fn Overlays(comparison: Comparison) -> impl IntoView {
    let lanes: Vec<_> = comparison
        .entries
        .iter()
        .filter_map(|entry| Some((entry, comparison.lane(entry)?)))
        .collect();
    let legend = lanes.iter().map(|(entry, lane)| {
        view! { <li><CurveKey curve_style=curve_style(entry, lane)/>{entry.name.clone()}</li> }
    });
    let legend = legend.collect_view();
    let figures = METRICS.iter().zip(0_usize..).map(|(metric, index)| {
        let curves = lanes
            .iter()
            .map(|(entry, lane)| metric.curve(curve_style(entry, lane), lane));
        #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
        let stocks = lanes.iter().map(|(_, lane)| lane.stock as f64);
        let marks = if metric.marks_stock {
            stocks.collect()
        } else {
            Vec::new()
        };
        let title = format!("overlay-{index}");
        let label = format!(
            "{} over time, one curve per lane; the table below lists the figures",
            metric.title
        );
        view! {
            <figure class="compare__figure" aria-labelledby=title.clone()>
                <h3 id=title.clone()>{metric.title}</h3>
                <Curves curves=curves.collect() label marks/>
            </figure>
        }
    });
    let figures = figures.collect_view();
    view! {
        <section class="panel" aria-labelledby="overlay">
            <h2 class="panel__title" id="overlay">"Curves"</h2>
            <ul class="chart__legend compare__legend" aria-label="Legend">{legend}</ul>
            <div class="compare__figures">{figures}</div>
        </section>
    }
}

/// Shows the parameters that differ, and all parameters in a collapsed table.
#[component]
fn Differences(parameters: Vec<ComparedParameter>, runs: usize) -> impl IntoView {
    let differing: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter.differs())
        .cloned()
        .collect();
    let different = if differing.is_empty() {
        view! { <p>"All parameters and the seed are the same: these runs are repeats of each other."</p> }.into_any()
    } else {
        view! { <ParameterTable parameters=differing runs caption="Different parameters"/> }
            .into_any()
    };
    view! {
        <section class="panel" aria-labelledby="parameters">
            <h2 class="panel__title" id="parameters">"Parameters"</h2>
            {different}
            <details class="compare__all">
                <summary>"All parameters"</summary>
                <ParameterTable parameters runs caption="All parameters of each run"/>
            </details>
        </section>
    }
}

#[component]
fn ParameterTable(
    parameters: Vec<ComparedParameter>,
    runs: usize,
    caption: &'static str,
) -> impl IntoView {
    let heads = (0..runs).map(|run| view! { <th scope="col">{run_letter(run)}</th> });
    let heads = heads.collect_view();
    let rows = parameters.into_iter().map(|parameter| {
        let values = parameter.values.iter().map(|value| {
            let value = if value.is_empty() { "–" } else { value };
            view! { <td>{value.to_owned()}</td> }
        });
        view! { <tr><th scope="row">{parameter.name.clone()}</th>{values.collect_view()}</tr> }
    });
    view! {
        <div class="table-wrap" role="region" aria-label=caption tabindex="0">
            <table class="table">
                <caption>{caption}</caption>
                <thead><tr><th scope="col">"Parameter"</th>{heads}</tr></thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}
