//! The samples of a run as tables, with the same data as its charts.

use leptos::prelude::*;

use crate::{
    model::{
        LaneSnapshot, RunSnapshot, Sample,
        sample::{RecentTimings, thinned_to},
    },
    ui::columns::per_second,
};

/// Maximum number of rows: a longer table is of no use with a screen reader.
const ROWS_MAX: usize = 40;

/// Shows a collapsed table per lane.
#[component]
pub fn SampleTables(run: RunSnapshot) -> impl IntoView {
    let each = run.plan.quantities.max().get();
    let several = run.lanes.len() > 1;
    run.lanes
        .into_iter()
        .map(|lane| {
            let of = several.then(|| format!(", {}", lane.strategy));
            table(&lane, of.unwrap_or_default(), each)
        })
        .collect_view()
}

fn table(lane: &LaneSnapshot, of: String, each: u32) -> impl IntoView + use<> {
    let label = format!("Samples{of}");
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
        <details class="samples">
            <summary>"Table of samples at page load"{of.clone()}</summary>
            <div class="table-wrap" tabindex="0" role="region" aria-label=label>
                <table class="table">
                    <caption>"Samples of this run"{of}</caption>
                    <thead>
                        <tr>{HEADS.map(|head| view! { <th scope="col" class="n">{head}</th> }).collect_view()}</tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

const HEADS: [&str; 22] = [
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
