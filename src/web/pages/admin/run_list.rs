//! `/admin/simulations/runs`: the stored runs, to open or compare.

use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use uuid::Uuid;

use super::{Subnav, run_badge, servers_of, unreadable_cells};
use crate::{
    model::{RunSnapshot, ShopError, StrategyKey, Verdict},
    simulation::{
        comparison::{RUNS_MAX, RUNS_MIN},
        store::{self, ListedRun, RunFilter, RunOutcome, RunPage},
    },
    web::pages::{
        frame::{Bundle, Page, framed},
        page_head::PageHead,
    },
};

/// Number of runs per page.
pub const RUNS_SHOWN: usize = 50;

/// `/admin/simulations/runs`
#[component]
pub fn RunsPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    framed(|visit| async move {
        visit.require_admin().await?;
        let filter = filter(&query)?;
        let page = store::list(visit.shop().db(), filter, RUNS_SHOWN).await?;
        let body = view! { <RunsView filter page/> };
        Ok(Page::private("Runs", Bundle::None, body))
    })
}

/// Parses `strategy`, `outcome` and `before`; an empty parameter does not filter.
fn filter(query: &ParamsMap) -> Result<RunFilter, ShopError> {
    let chosen = |name: &str| query.get(name).filter(|value| !value.is_empty());
    let unknown = |what: &str| ShopError::Invalid(format!("there is no such {what}"));
    Ok(RunFilter {
        strategy: chosen("strategy").map(|key| key.parse()).transpose()?,
        outcome: chosen("outcome")
            .map(|name| RunOutcome::named(&name).ok_or_else(|| unknown("outcome")))
            .transpose()?,
        before: chosen("before")
            .map(|id| Uuid::try_parse(&id).map_err(|_| unknown("run")))
            .transpose()?,
    })
}

#[component]
fn RunsView(filter: RunFilter, page: RunPage) -> impl IntoView {
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead
                title="Runs"
                lead=format!("Open a run, or select {RUNS_MIN} to {RUNS_MAX} to compare. Runs are kept for {} days.", store::RUNS_KEPT_DAYS)
            />
            <FilterForm filter/>
            <RunList page filter/>
        </main>
    }
}

#[component]
fn FilterForm(filter: RunFilter) -> impl IntoView {
    let strategies = StrategyKey::ALL.map(|key| {
        view! { <option value=key.as_str() selected=filter.strategy == Some(key)>{key.as_str()}</option> }
    });
    let outcomes = RunOutcome::ALL.map(|outcome| {
        view! { <option value=outcome.as_str() selected=filter.outcome == Some(outcome)>{outcome.in_words()}</option> }
    });
    view! {
        <form class="runs__filter" method="get" action="/admin/simulations/runs" role="search" aria-label="Runs">
            <div class="field">
                <label class="field__label" for="strategy">"Strategy"</label>
                <select class="field__input" id="strategy" name="strategy">
                    <option value="">"All"</option>
                    {strategies.collect_view()}
                </select>
            </div>
            <div class="field">
                <label class="field__label" for="outcome">"Outcome"</label>
                <select class="field__input" id="outcome" name="outcome">
                    <option value="">"All"</option>
                    {outcomes.collect_view()}
                </select>
            </div>
            <button class="btn btn--line" type="submit">"Filter"</button>
        </form>
    }
}

/// Shows runs with a check box each, and the button that compares the selected ones.
#[component]
pub fn RunList(page: RunPage, filter: RunFilter) -> impl IntoView {
    let older = page.next.map(|next| {
        let href = format!(
            "/admin/simulations/runs?strategy={}&outcome={}&before={next}",
            filter.strategy.map_or("", StrategyKey::as_str),
            filter.outcome.map_or("", RunOutcome::as_str)
        );
        view! { <p class="run__actions"><a class="btn btn--line" rel="next" href=href>"Older runs"</a></p> }
    });
    let is_filtered = filter != RunFilter::default();
    let list = if page.runs.is_empty() {
        let sentence = if is_filtered {
            "No runs match this filter."
        } else {
            "No simulations yet. Start one to see its results here."
        };
        view! { <p class="panel">{sentence}</p> }.into_any()
    } else {
        let rows = page.runs.into_iter().map(listed_row).collect_view();
        view! { <RunTable>{rows}</RunTable> }.into_any()
    };
    view! { {list} {older} }
}

#[component]
fn RunTable(children: Children) -> impl IntoView {
    let numbers = [
        "Buyers", "Stock", "Sold", "Rejected", "Orders/s", "p99 ms", "Seed",
    ]
    .map(|name| view! { <th scope="col" class="n">{name}</th> });
    view! {
        <form method="get" action="/admin/simulations/compare">
            <p class="run__actions runs__compare"><button class="btn btn--primary" type="submit">"Compare selected runs"</button></p>
            <div class="table-wrap" role="region" aria-label="Runs" tabindex="0">
                <table class="table runs">
                    <caption>"Runs, newest first"</caption>
                    <thead>
                        <tr>
                            <th scope="col"><span class="vh">"Compare"</span></th>
                            <th scope="col">"Run"</th>
                            <th scope="col">"Started"</th>
                            <th scope="col">"Verdict"</th>
                            <th scope="col">"Strategy"</th>
                            {numbers.collect_view()}
                            <th scope="col">"Proof"</th>
                        </tr>
                    </thead>
                    <tbody>{children()}</tbody>
                </table>
            </div>
        </form>
    }
}

fn listed_row(run: ListedRun) -> AnyView {
    match run {
        ListedRun::Readable(run) => row(*run).into_any(),
        ListedRun::Unreadable(run) => {
            let cells = unreadable_cells(run, 10);
            view! { <tr><td class="runs__tick"></td>{cells}</tr> }.into_any()
        }
    }
}

fn row(run: RunSnapshot) -> impl IntoView {
    let (class, word) = run_badge(&run);
    // All lanes' verdicts; none while a lane has no verdict.
    let verdicts: Option<Vec<&Verdict>> =
        run.lanes.iter().map(|lane| lane.verdict.as_ref()).collect();
    // The same, unless the run was cut off: then the answers of the shop are not known.
    let answered = verdicts
        .as_ref()
        .filter(|lanes| !lanes.iter().any(|verdict| verdict.counted_afterwards));
    let sum = |lanes: Option<&Vec<&Verdict>>, units: fn(&Verdict) -> i64| {
        let lanes = lanes?;
        Some(
            lanes
                .iter()
                .map(|verdict| units(verdict))
                .sum::<i64>()
                .to_string(),
        )
    };
    let lanes = run.lanes.len();
    let of_each = |number: i64| match lanes {
        0 | 1 => number.to_string(),
        _ => format!("{lanes} × {number}"),
    };
    // The sum of several lanes' rates and latencies means nothing.
    let only = match answered.map(Vec::as_slice) {
        Some([only]) => Some(*only),
        _ => None,
    };
    let numbers = [
        Some(of_each(run.plan.buyers.into())),
        run.lanes.first().map(|lane| of_each(lane.stock)),
        sum(verdicts.as_ref(), |verdict| verdict.sold),
        sum(answered, |verdict| {
            i64::try_from(verdict.rejected).unwrap_or(i64::MAX)
        }),
        only.map(|verdict| format!("{:.0}", verdict.orders_per_second)),
        only.map(|verdict| format!("{:.1}", verdict.latency_ms.p99)),
        Some(run.plan.seed.to_string()),
    ]
    .map(|number| view! { <td class="n">{number.unwrap_or_else(|| "–".to_owned())}</td> });
    let address = format!("/admin/simulations/{}", run.id);
    let of = format!("{}, {}", run.name, run.started_in_utc());
    let servers = servers_of(&run.plan);
    let note = (!run.note.is_empty())
        .then(|| view! { <span class="runs__note quiet">{run.note.clone()}</span> });
    view! {
        <tr>
            <td class="runs__tick">
                <label class="tick"><input type="checkbox" name="run" value=run.id.clone()/><span class="vh">{format!("Compare {of}")}</span></label>
            </td>
            <th scope="row" class="runs__name"><a href=address.clone()>{run.name.clone()}</a>{servers}{note}</th>
            <td class="tight">{run.started_in_utc()}</td>
            <td><span class=class>{word}</span></td>
            <td>{run.plan.strategy_names()}</td>
            {numbers.collect_view()}
            <td><a href=format!("{address}/certificate")>"Certificate"<span class="vh">{format!(" of {of}")}</span></a></td>
        </tr>
    }
}
