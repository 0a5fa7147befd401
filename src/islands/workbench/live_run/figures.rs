//! The figures of each lane as it stands: large ones of a single lane, a table of several, whose first column is the legend of all charts.

use leptos::prelude::*;

use crate::{model::LaneSnapshot, ui::chart::LaneKey};

type Lane = Memo<Option<LaneSnapshot>>;

/// See the module's documentation.
pub fn figures(lanes: &[Lane], each: u32) -> AnyView {
    match lanes {
        [lane] => large(*lane, each).into_any(),
        lanes => table(lanes, each).into_any(),
    }
}

/// What stands in a place, of the lane as it is.
fn told<T: 'static>(
    lane: Lane,
    tell: impl Fn(&LaneSnapshot) -> T + Copy + Send + 'static,
) -> impl Fn() -> Option<T> + Copy + Send + 'static {
    move || lane.with(|lane| lane.as_ref().map(tell))
}

fn large(lane: Lane, each: u32) -> impl IntoView {
    let quantile = |name: &'static str, tell: fn(&LaneSnapshot) -> f64| {
        let ms = told(lane, move |lane| format!("{:.1}", tell(lane)));
        view! {
            <div class="figure figure--small">
                <dt>{name}</dt>
                <dd><span data-testid=name>{ms}</span><small>"ms"</small></dd>
            </div>
        }
    };
    view! {
        <dl class="figures">
            <div class="figure figure--stock">
                <dt>"Stock remaining"</dt>
                <dd data-testid="remaining">{told(lane, |lane| lane.last().remaining)}</dd>
            </div>
            <div class="figure figure--sold">
                <dt>"Sold"</dt>
                <dd data-testid="sold">{told(lane, move |lane| lane.last().units_sold(each))}</dd>
            </div>
            <div class="figure figure--rejected">
                <dt>"Rejected"</dt>
                <dd data-testid="rejected">{told(lane, |lane| lane.last().rejected)}</dd>
            </div>
            <div class="figure">
                <dt>"Orders per second"</dt>
                <dd data-testid="orders-per-second">{told(lane, orders_per_second)}</dd>
            </div>
            {quantile("p50", |lane| lane.latency_ms.p50)}
            {quantile("p95", |lane| lane.latency_ms.p95)}
            {quantile("p99", |lane| lane.latency_ms.p99)}
        </dl>
    }
}

fn table(lanes: &[Lane], each: u32) -> impl IntoView + use<> {
    let rows = lanes
        .iter()
        .enumerate()
        .map(|(index, lane)| row(index, *lane, each))
        .collect_view();
    view! {
        <div class="table-wrap lanes" tabindex="0" role="region" aria-label="Lanes">
            <table class="table">
                <caption>"Lanes, as they stand"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Strategy"</th>
                        <th scope="col" class="n">"Remaining"</th>
                        <th scope="col" class="n">"Sold"</th>
                        <th scope="col" class="n">"Rejected"</th>
                        <th scope="col" class="n">"Retries"</th>
                        <th scope="col" class="n">"Orders/s"</th>
                        <th scope="col" class="n">"p50 ms"</th>
                        <th scope="col" class="n">"p95 ms"</th>
                        <th scope="col" class="n">"p99 ms"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn row(index: usize, lane: Lane, each: u32) -> impl IntoView {
    let strategy = lane.with_untracked(|lane| lane.as_ref().map(|lane| lane.strategy));
    let name = strategy.map(|strategy| {
        let badge = if strategy.is_safe() {
            ("badge badge--ok", "Safe")
        } else {
            ("badge badge--bad", "Unsafe")
        };
        // Without a script there is nothing to hide a line from.
        view! {
            <span class="lane-name" data-static=""><LaneKey strategy/>{strategy.as_str()}</span>
            <button class="lane-name lane-name--toggle" type="button" data-live="" hidden=true data-lane=index.to_string()
                aria-pressed="true" title="Show or hide this lane in all charts">
                <LaneKey strategy/>{strategy.as_str()}
            </button>
            " "<span class=badge.0>{badge.1}</span>
        }
    });
    let ms = |tell: fn(&LaneSnapshot) -> f64| told(lane, move |lane| format!("{:.1}", tell(lane)));
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td class="n" data-testid="remaining">{told(lane, |lane| lane.last().remaining)}</td>
            <td class="n" data-testid="sold">{told(lane, move |lane| lane.last().units_sold(each))}</td>
            <td class="n" data-testid="rejected">{told(lane, |lane| lane.last().rejected)}</td>
            <td class="n" data-testid="retries">{told(lane, |lane| lane.last().retries)}</td>
            <td class="n" data-testid="orders-per-second">{told(lane, orders_per_second)}</td>
            <td class="n" data-testid="p50">{ms(|lane| lane.latency_ms.p50)}</td>
            <td class="n" data-testid="p95">{ms(|lane| lane.latency_ms.p95)}</td>
            <td class="n" data-testid="p99">{ms(|lane| lane.latency_ms.p99)}</td>
        </tr>
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
