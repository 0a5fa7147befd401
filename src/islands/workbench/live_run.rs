//! A run as it goes on: figures, chart and verdict of each of its lanes.

use leptos::prelude::*;

use crate::{
    model::{LaneSnapshot, RunSnapshot},
    ui::{
        chart::{Plot, Series, SeriesKey},
        verdict_tile::VerdictTile,
    },
};

/// Shows `run` and follows it to its end. The children stand beside the chart of a single lane, and after the charts of several.
#[island]
pub fn LiveRun(run: RunSnapshot, children: Children) -> impl IntoView {
    let lanes = run.lanes.len();
    let each = run.plan.quantities.max().get();
    let run = RwSignal::new(run);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let (id, state) = run.with_untracked(|run| (run.id.clone(), run.state));
        if !state.is_over() {
            super::super::stream::follow(
                format!("/live/simulations/{id}"),
                &["run", "news", "locks"],
                move |name, data| take_in(run, name, data),
            );
        }
    });
    let lane = move |index| Memo::new(move |_| run.with(|run| run.lanes.get(index).cloned()));
    let head = move |lane: Memo<Option<LaneSnapshot>>, index| {
        let tile = move |lane| {
            let state = run.with(|run| (run.state, run.failure.clone()));
            let named_by = (lanes > 1).then(|| format!("lane-{index}"));
            view! { <VerdictTile lane run=state each index named_by/> }
        };
        view! {
            <div class="run__top">
                {move || lane.get().map(tile)}
                {move || lane.get().map(|lane| figures(&lane, each))}
            </div>
        }
    };
    let body = if lanes == 1 {
        let only = lane(0);
        view! {
            {head(only, 0)}
            <div class="run__mid">{chart(only, each, 0)}{children()}</div>
        }
        .into_any()
    } else {
        let each_lane = (0..lanes)
            .map(|index| {
                let lane = lane(index);
                view! {
                    <section class="lane" aria-labelledby=format!("lane-{index}")>
                        {name(lane, index)}
                        {head(lane, index)}
                        {chart(lane, each, index)}
                    </section>
                }
            })
            .collect_view();
        view! { {each_lane} {children()} }.into_any()
    };
    view! {
        {move || run.with(super::run_progress::progress)}
        <super::run_controls::RunControls run/>
        {body}
        <super::what_happened::WhatHappened run/>
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
    } else if name == "locks" {
        super::lock_view::tell(data);
    } else if let Ok(news) = serde_json::from_str::<RunNews>(data) {
        run.update(|run| {
            for (lane, news) in run.lanes.iter_mut().zip(news.lanes) {
                lane.samples.extend(news.samples);
                lane.latency_ms = news.latency_ms;
            }
        });
    }
    run.with_untracked(|run| !run.state.is_over())
}

fn name(lane: Memo<Option<LaneSnapshot>>, index: usize) -> impl IntoView {
    let lane = lane.get_untracked();
    let badge = match lane.as_ref().map(|lane| lane.strategy.is_safe()) {
        Some(false) => ("badge badge--bad", "Unsafe"),
        _ => ("badge badge--ok", "Safe"),
    };
    let strategy = lane.map(|lane| lane.strategy.as_str());
    view! { <h2 class="lane__name" id=format!("lane-{index}")>{strategy}" "<span class=badge.0>{badge.1}</span></h2> }
}

fn chart(lane: Memo<Option<LaneSnapshot>>, each: u32, index: usize) -> impl IntoView {
    let title = format!("chart-title-{index}");
    view! {
        <figure class="panel chart" aria-labelledby=title>
            <div class="chart__head">
                <h2 id=title.clone()>"The rush, moment by moment"</h2>
                <ul class="chart__legend" aria-label="Legend">
                    <li><SeriesKey series=Series::Stock/>"Stock remaining"</li>
                    <li><SeriesKey series=Series::Sold/>"Successes"</li>
                    <li><SeriesKey series=Series::Rejected/>"Rejections"</li>
                </ul>
            </div>
            {move || lane.get().map(|lane| view! { <Plot lane each index/> })}
        </figure>
    }
}

fn figures(lane: &LaneSnapshot, each: u32) -> impl IntoView + use<> {
    let last = lane.last();
    let latency = lane.latency_ms;
    view! {
        <dl class="figures">
            <div class="figure figure--stock">
                <dt><SeriesKey series=Series::Stock/>"Stock remaining"</dt>
                <dd data-testid="remaining">{last.remaining}</dd>
            </div>
            <div class="figure figure--sold">
                <dt><SeriesKey series=Series::Sold/>"Sold"</dt>
                <dd data-testid="sold">{last.units_sold(each)}</dd>
            </div>
            <div class="figure figure--rejected">
                <dt><SeriesKey series=Series::Rejected/>"Rejected"</dt>
                <dd data-testid="rejected">{last.turned_away()}</dd>
            </div>
            <div class="figure">
                <dt>"Orders per second"</dt>
                <dd data-testid="orders-per-second">{orders_per_second(lane)}</dd>
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

#[expect(clippy::cast_precision_loss, reason = "attempts are at most a million")]
fn orders_per_second(lane: &LaneSnapshot) -> String {
    let rate = match &lane.verdict {
        Some(verdict) => verdict.orders_per_second,
        None => {
            let last = lane.last();
            last.succeeded as f64 * 1000.0 / last.elapsed_ms.max(1) as f64
        }
    };
    format!("{rate:.0}")
}
