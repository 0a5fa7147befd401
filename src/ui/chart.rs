//! The chart of a run as the server draws it: units above, rejected or failed attempts below, on
//! one time axis. Two panels keep ten thousand rejections from flattening twenty units of stock.
//! For a single lane the chart also shows the units sold; for several, it draws one line per lane.

mod axes;

use leptos::prelude::*;

use self::axes::PlotAxes;
use crate::{
    model::{AxisScale, LaneSnapshot, StrategyKey, polyline},
    ui::run_curves::{sold, stock, unsuccessful},
};

/// Maximum number of markers on one line. They distinguish the series without colour.
const MARKS_MAX: usize = 14;

/// A line of the chart, with its appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    Stock,
    Sold,
    Rejected,
}

impl Series {
    const fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Sold => "sold",
            Self::Rejected => "rejected",
        }
    }

    /// Returns the outline of the marker, centred on the origin.
    const fn marker_path(self) -> &'static str {
        match self {
            Self::Stock => "M-5-5h10v10h-10z",
            Self::Sold => "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
            Self::Rejected => "M0-6l6 11h-12z",
        }
    }
}

/// Shows a short line with its marker, for legends and figures.
#[component]
pub fn SeriesKey(series: Series) -> impl IntoView {
    let name = series.name();
    view! {
        <svg class="key" viewBox="0 0 42 14" aria-hidden="true" focusable="false">
            <line class=format!("series series--{name}") x1="2" y1="7" x2="40" y2="7"></line>
            <path class=format!("mark mark--{name}") transform="translate(21 7)" d=series.marker_path()></path>
        </svg>
    }
}

/// Shows the short line that represents a strategy in every chart.
#[component]
pub fn LaneKey(
    strategy: StrategyKey,
    /// For a second lane of the same strategy.
    #[prop(optional)]
    is_thin: bool,
) -> impl IntoView {
    view! {
        <svg class="key" viewBox="0 0 42 14" aria-hidden="true" focusable="false">
            <line class=lane_class(strategy, is_thin) x1="1" y1="7" x2="41" y2="7"></line>
        </svg>
    }
}

fn lane_class(strategy: StrategyKey, is_thin: bool) -> String {
    let thin = if is_thin { " lane-line--thin" } else { "" };
    format!("lane-line lane-line--{strategy}{thin}")
}

/// Draws the chart.
#[component]
pub fn Plot(
    lanes: Vec<LaneSnapshot>,
    /// Maximum number of units that one attempt requests.
    units_per_attempt: u32,
) -> impl IntoView {
    let is_single = lanes.len() == 1;
    let axes = PlotAxes::of(&lanes, units_per_attempt, is_single);
    let description = describe(&lanes);
    let lines = match lanes.as_slice() {
        [lane] => draw_single_lane(lane, units_per_attempt, &axes).into_any(),
        lanes => draw_lanes(lanes, &axes).into_any(),
    };
    let stock_limit = lanes.first().filter(|_| is_single).map(|lane| {
        #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
        let sold = lane.last().units_sold(units_per_attempt) as f64;
        axes.stock_limit(lane.stock, sold)
    });
    let units = if is_single {
        "Units"
    } else {
        "Stock remaining (units)"
    };
    view! {
        <svg class="plot" viewBox="0 0 760 400" role="img" aria-labelledby="plot-title plot-desc">
            <title id="plot-title">{TITLE}</title>
            <desc id="plot-desc">{description}</desc>
            {axes.grid()}
            {stock_limit}
            <text class="plot__title" x="64" y="20">{units}</text>
            <text class="plot__title" x="64" y="278">"Rejected or failed"</text>
            {lines}
        </svg>
    }
}

/// The title of the chart, and of the interactive panels that replace it.
pub const TITLE: &str = "Stock remaining, successes and rejections over time.";

fn draw_single_lane(
    lane: &LaneSnapshot,
    units_per_attempt: u32,
    axes: &PlotAxes,
) -> impl IntoView + use<> {
    let sold = sold(lane, units_per_attempt);
    [
        (Series::Stock, points(stock(lane), &axes.time, &axes.units)),
        (Series::Sold, points(sold, &axes.time, &axes.units)),
        (
            Series::Rejected,
            points(unsuccessful(lane), &axes.time, &axes.calls),
        ),
    ]
    .into_iter()
    .map(|(series, points)| line_with_markers(series, &points))
    .collect_view()
}

fn draw_lanes(lanes: &[LaneSnapshot], axes: &PlotAxes) -> impl IntoView + use<> {
    lanes
        .iter()
        .map(|lane| {
            let units = points(stock(lane), &axes.time, &axes.units);
            let calls = points(unsuccessful(lane), &axes.time, &axes.calls);
            [units, calls].map(|points| {
                view! { <polyline class=lane_class(lane.strategy, lane.is_thin()) points=polyline(points)></polyline> }
            })
        })
        .collect_view()
}

/// Returns the positions of pairs of a time and a value.
fn points(measured: Vec<(f64, f64)>, time: &AxisScale, values: &AxisScale) -> Vec<(f64, f64)> {
    let positions = measured
        .into_iter()
        .map(|(ms, value)| (time.position(ms), values.position(value)));
    positions.collect()
}

/// Draws one line and its markers.
fn line_with_markers(series: Series, points: &[(f64, f64)]) -> impl IntoView + use<> {
    let name = series.name();
    let step = points.len().div_ceil(MARKS_MAX).max(1);
    let marks = points
        .iter()
        .skip(step / 2)
        .step_by(step)
        .map(|(x, y)| {
            view! {
                <path class=format!("mark mark--{name}") transform=format!("translate({x:.1} {y:.1})") d=series.marker_path()></path>
            }
        })
        .collect_view();
    view! { <polyline class=format!("series series--{name}") points=polyline(points.iter().copied())></polyline> {marks} }
}

/// Describes the chart in words, for screen readers.
pub fn describe(lanes: &[LaneSnapshot]) -> String {
    let descriptions = lanes.iter().map(|lane| match lanes.len() {
        1 => describe_lane(lane),
        _ => format!("{}: {}", lane.name(), describe_lane(lane)),
    });
    descriptions.collect::<Vec<_>>().join(" ")
}

fn describe_lane(lane: &LaneSnapshot) -> String {
    match lane.samples.last() {
        None => format!(
            "{} units in stock. No attempt has finished yet.",
            lane.stock
        ),
        Some(last) => format!(
            "After {} ms: {} of {} units remain, {} purchases succeeded, {} were rejected or failed.",
            last.elapsed_ms,
            last.remaining,
            lane.stock,
            last.succeeded,
            last.unsuccessful()
        ),
    }
}
