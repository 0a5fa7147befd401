//! The current numbers of each lane: large ones for a single lane; for several lanes a table, whose
//! first column is the legend of all charts.

use leptos::prelude::*;

use crate::{
    model::LaneSnapshot,
    ui::{chart::LaneKey, safety_badge::SafetyBadge},
};

type Lane = Memo<Option<LaneSnapshot>>;

/// See the module's documentation.
pub fn figures(lanes: &[Lane], units_per_attempt: u32) -> AnyView {
    match lanes {
        [lane] => single_lane(*lane, units_per_attempt).into_any(),
        lanes => table(lanes, units_per_attempt).into_any(),
    }
}

/// Returns a signal of a value derived from the lane.
fn lane_value<T: 'static>(
    lane: Lane,
    value: impl Fn(&LaneSnapshot) -> T + Copy + Send + 'static,
) -> impl Fn() -> Option<T> + Copy + Send + 'static {
    move || lane.with(|lane| lane.as_ref().map(value))
}

fn single_lane(lane: Lane, units_per_attempt: u32) -> impl IntoView {
    let quantile = |name: &'static str, value: fn(&LaneSnapshot) -> f64| {
        let ms = lane_value(lane, move |lane| milliseconds(lane, value));
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
                <dd data-testid="remaining">{lane_value(lane, |lane| lane.last().remaining)}</dd>
            </div>
            <div class="figure figure--sold">
                <dt>"Sold"</dt>
                <dd data-testid="sold">{lane_value(lane, move |lane| lane.last().units_sold(units_per_attempt))}</dd>
            </div>
            <div class="figure figure--rejected">
                <dt>"Rejected"</dt>
                <dd data-testid="rejected">{lane_value(lane, |lane| lane.last().rejected)}</dd>
            </div>
            <div class="figure">
                <dt>"Orders per second"</dt>
                <dd data-testid="orders-per-second">{lane_value(lane, orders_per_second)}</dd>
            </div>
            {quantile("p50", |lane| lane.latency_ms.p50)}
            {quantile("p95", |lane| lane.latency_ms.p95)}
            {quantile("p99", |lane| lane.latency_ms.p99)}
        </dl>
    }
}

fn table(lanes: &[Lane], units_per_attempt: u32) -> impl IntoView + use<> {
    let rows = lanes
        .iter()
        .enumerate()
        .map(|(index, lane)| row(index, *lane, units_per_attempt))
        .collect_view();
    view! {
        <div class="table-wrap lanes" tabindex="0" role="region" aria-label="Lanes">
            <table class="table">
                <caption>"Results by strategy"</caption>
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

fn row(index: usize, lane: Lane, units_per_attempt: u32) -> impl IntoView {
    let lane_key = lane.with_untracked(|lane| {
        let lane = lane.as_ref()?;
        Some((lane.strategy, lane.is_thin(), lane.name()))
    });
    let name = lane_key.map(|(strategy, is_thin, name)| {
        // Without JavaScript there are no interactive charts in which to hide a lane.
        view! {
            <span class="lane-name" data-static=""><LaneKey strategy is_thin/>{name.clone()}</span>
            <button class="lane-name lane-name--toggle" type="button" data-live="" hidden=true data-lane=index.to_string()
                aria-pressed="true" title="Show or hide this lane in all charts">
                <LaneKey strategy is_thin/>{name}
            </button>
            " "<SafetyBadge strategy/>
        }
    });
    let ms =
        |value: fn(&LaneSnapshot) -> f64| lane_value(lane, move |lane| milliseconds(lane, value));
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td class="n" data-testid="remaining">{lane_value(lane, |lane| lane.last().remaining)}</td>
            <td class="n" data-testid="sold">{lane_value(lane, move |lane| lane.last().units_sold(units_per_attempt))}</td>
            <td class="n" data-testid="rejected">{lane_value(lane, |lane| lane.last().rejected)}</td>
            <td class="n" data-testid="retries">{lane_value(lane, |lane| lane.last().retries)}</td>
            <td class="n" data-testid="orders-per-second">{lane_value(lane, orders_per_second)}</td>
            <td class="n" data-testid="p50">{ms(|lane| lane.latency_ms.p50)}</td>
            <td class="n" data-testid="p95">{ms(|lane| lane.latency_ms.p95)}</td>
            <td class="n" data-testid="p99">{ms(|lane| lane.latency_ms.p99)}</td>
        </tr>
    }
}

/// Formats a latency; that of a run that was cut off is not known.
fn milliseconds(lane: &LaneSnapshot, value: fn(&LaneSnapshot) -> f64) -> String {
    match &lane.verdict {
        Some(verdict) if verdict.counted_afterwards => "–".to_owned(),
        _ => format!("{:.1}", value(lane)),
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
