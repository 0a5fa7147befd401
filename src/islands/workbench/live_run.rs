//! A run as it goes on: figures, chart, verdict.

use leptos::prelude::*;

use crate::{
    model::{LatencyMs, RunSnapshot, RunState, Sample},
    ui::{
        chart::{Plot, Series, SeriesKey},
        verdict_tile::VerdictTile,
    },
};

/// Shows `run` and follows it to its end. The children stand beside the chart.
#[island]
pub fn LiveRun(run: RunSnapshot, children: Children) -> impl IntoView {
    let run = RwSignal::new(run);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let (id, state) = run.with_untracked(|run| (run.id.clone(), run.state));
        if state == RunState::Running {
            super::super::stream::follow(
                format!("/live/simulations/{id}"),
                &["run", "news"],
                move |name, data| take_in(run, name, data),
            );
        }
    });
    view! {
        {move || run.with(progress)}
        <div class="run__top">
            {move || view! { <VerdictTile run=run.get()/> }}
            {move || run.with(figures)}
        </div>
        <div class="run__mid">
            <figure class="panel chart" aria-labelledby="chart-title">
                <div class="chart__head">
                    <h2 id="chart-title">"The rush, moment by moment"</h2>
                    <ul class="chart__legend" aria-label="Legend">
                        <li><SeriesKey series=Series::Stock/>"Stock remaining"</li>
                        <li><SeriesKey series=Series::Sold/>"Successes"</li>
                        <li><SeriesKey series=Series::Rejected/>"Rejections"</li>
                    </ul>
                </div>
                {move || view! { <Plot run=run.get()/> }}
            </figure>
            {children()}
        </div>
    }
}

/// Returns false once the run is over.
#[cfg(feature = "hydrate")]
fn take_in(run: RwSignal<RunSnapshot>, name: &str, data: &str) -> bool {
    use crate::model::snapshot::RunNews;
    if name == "run" {
        if let Ok(whole) = serde_json::from_str::<RunSnapshot>(data) {
            run.set(whole);
        }
    } else if let Ok(news) = serde_json::from_str::<RunNews>(data) {
        run.update(|run| {
            run.samples.extend(news.samples);
            run.latency_ms = news.latency_ms;
        });
    }
    run.with_untracked(|run| run.state == RunState::Running)
}

fn progress(run: &RunSnapshot) -> impl IntoView + use<> {
    let last = last(run);
    let served = last.succeeded + last.rejected + last.failed;
    let attempts = run.plan.attempts();
    let (class, state) = match run.state {
        RunState::Running => ("badge badge--low", "Running"),
        RunState::Finished => ("badge badge--ok", "Finished"),
        RunState::Failed => ("badge badge--bad", "Failed"),
    };
    view! {
        <p class="run__state" role="status" aria-live="polite">
            <span class=class data-testid="run-state">{state}</span>" "
            <span><span class="num">{seconds(last.elapsed_ms)}</span></span>" "
            <span>{format!("{served} of {attempts} attempts served")}</span>
        </p>
        <progress class="bar" max=attempts value=served aria-label="Attempts served"></progress>
    }
}

fn figures(run: &RunSnapshot) -> impl IntoView + use<> {
    let last = last(run);
    let latency: LatencyMs = run.latency_ms;
    let sold = last.succeeded * u64::from(run.plan.quantity.get());
    view! {
        <dl class="figures">
            <div class="figure figure--stock">
                <dt><SeriesKey series=Series::Stock/>"Stock remaining"</dt>
                <dd data-testid="remaining">{last_remaining(run)}</dd>
            </div>
            <div class="figure figure--sold">
                <dt><SeriesKey series=Series::Sold/>"Sold"</dt>
                <dd data-testid="sold">{sold}</dd>
            </div>
            <div class="figure figure--rejected">
                <dt><SeriesKey series=Series::Rejected/>"Rejected"</dt>
                <dd data-testid="rejected">{last.rejected + last.failed}</dd>
            </div>
            <div class="figure">
                <dt>"Orders per second"</dt>
                <dd data-testid="orders-per-second">{orders_per_second(run)}</dd>
            </div>
            {[("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99)]
                .map(|(name, ms)| view! {
                    <div class="figure figure--small">
                        <dt>{name}</dt>
                        <dd data-testid=name>{format!("{ms:.1}")}<small>"ms"</small></dd>
                    </div>
                })
                .collect_view()}
        </dl>
    }
}

fn last(run: &RunSnapshot) -> Sample {
    run.samples.last().copied().unwrap_or_default()
}

fn last_remaining(run: &RunSnapshot) -> i64 {
    run.samples
        .last()
        .map_or(run.stock, |sample| sample.remaining)
}

#[expect(clippy::cast_precision_loss, reason = "attempts are at most a million")]
fn orders_per_second(run: &RunSnapshot) -> String {
    let rate = match &run.verdict {
        Some(verdict) => verdict.orders_per_second,
        None => {
            let last = last(run);
            last.succeeded as f64 * 1000.0 / last.elapsed_ms.max(1) as f64
        }
    };
    format!("{rate:.0}")
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}
