//! `/admin/simulations/{id}/samples`: the samples of a run as tables, with the same data as its
//! charts. The page of the run fetches them when they are opened.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::Subnav;
use crate::{
    model::{
        LaneSnapshot, RunSnapshot, Sample,
        sample::{RecentTimings, thinned_to},
    },
    ui::columns::per_second,
    web::{
        pages::{
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
        runs,
    },
};

/// The id of the element with the tables.
pub const TABLES: &str = "samples";
/// Maximum number of rows: a longer table is of no use with a screen reader.
const ROWS_MAX: usize = 40;

/// `/admin/simulations/{id}/samples`
#[component]
pub fn SamplesPage() -> impl IntoView {
    let id = use_params_map()
        .get_untracked()
        .get("id")
        .unwrap_or_default();
    framed(|visit| async move {
        visit.require_admin().await?;
        let run = runs::find(visit.shop(), visit.runs(), &id).await?;
        let body = view! { <SamplesView run/> };
        Ok(Page::private("Samples", Bundle::None, body).wide())
    })
}

#[component]
fn SamplesView(run: RunSnapshot) -> impl IntoView {
    let lead = format!(
        "{}, started {}. The files of the run contain every sample.",
        run.plan.strategy_names(),
        run.started_in_utc()
    );
    let address = format!("/admin/simulations/{}", run.id);
    view! {
        <main class="page page--wide" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead title="Samples" lead/>
            <div id=TABLES><SampleTables run/></div>
            <p class="run__actions"><a class="btn btn--line" href=address>"Back to the run"</a></p>
        </main>
    }
}

/// Shows a table per lane.
#[component]
fn SampleTables(run: RunSnapshot) -> impl IntoView {
    let each = run.plan.quantities.max().get();
    let several = run.lanes.len() > 1;
    run.lanes
        .into_iter()
        .map(|lane| {
            let of = several.then(|| format!(", {}", lane.name()));
            table(&lane, of.unwrap_or_default(), each)
        })
        .collect_view()
}

fn table(lane: &LaneSnapshot, of: String, each: u32) -> impl IntoView + use<> {
    let label = format!("Samples{of}");
    let caption = format!("Samples of this run{of}");
    let samples = thinned_to(&lane.samples, ROWS_MAX);
    let mut before = Sample::default();
    let rows = samples
        .into_iter()
        .map(|sample| {
            let row = row(&before, &sample, each);
            before = sample;
            row
        })
        .collect_view();
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label=label>
            <table class="table">
                <caption>{caption}</caption>
                <thead>
                    <tr>{HEADS.map(|head| view! { <th scope="col" class="n">{head}</th> }).collect_view()}</tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

const HEADS: [&str; 23] = [
    "Time (ms)",
    "Stock remaining",
    "Sold",
    "Successes",
    "Rejections",
    "Failures",
    "Retries",
    "Successes/s",
    "p50 (ms)",
    "p95 (ms)",
    "p99 (ms)",
    "Connection (ms)",
    "Queue (ms)",
    "Redis (ms)",
    "Lock (ms)",
    "Execute (ms)",
    "Race window (ms)",
    "Commit (ms)",
    "Payment (ms)",
    "Backoff (ms)",
    "Other (ms)",
    "Attempts in progress",
    "Connections in use",
];

fn row(before: &Sample, sample: &Sample, each: u32) -> impl IntoView + use<> {
    let RecentTimings {
        timed,
        p50_us,
        p95_us,
        p99_us,
        pool_wait_us,
        queue_wait_us,
        redis_us,
        lock_wait_us,
        execute_us,
        pause_us,
        commit_us,
        payment_us,
        backoff_us,
        other_us,
    } = sample.recent;
    let counts = [
        sample.remaining.to_string(),
        sample.units_sold(each).to_string(),
        sample.succeeded.to_string(),
        sample.rejected.to_string(),
        sample.failed.to_string(),
        sample.retries.to_string(),
        rate(per_second(before, sample, |sample| sample.succeeded)),
    ];
    let times = [
        p50_us,
        p95_us,
        p99_us,
        pool_wait_us,
        queue_wait_us,
        redis_us,
        lock_wait_us,
        execute_us,
        pause_us,
        commit_us,
        payment_us,
        backoff_us,
        other_us,
    ];
    let times = times.map(|us| ms(us, timed));
    let places = [
        sample.in_attempt.to_string(),
        format!("{} of {}", sample.pool_in_use, sample.pool_size),
    ];
    let cells = counts.into_iter().chain(times).chain(places);
    view! {
        <tr>
            <th scope="row" class="n">{sample.elapsed_ms}</th>
            {cells.map(|cell| view! { <td class="n">{cell}</td> }).collect_view()}
        </tr>
    }
}

fn rate(per_s: f64) -> String {
    if per_s.is_nan() {
        "–".to_owned()
    } else {
        format!("{per_s:.0}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of an attempt")]
fn ms(us: u64, timed: u64) -> String {
    if timed == 0 {
        "–".to_owned()
    } else {
        format!("{:.1}", us as f64 / 1_000.0)
    }
}
