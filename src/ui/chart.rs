//! The picture of a run as the server draws it: units above, buyers turned away below, on one time axis. Two panels, so that ten thousand
//! rejections cannot flatten twenty units of stock. Of a single lane it also has the units sold; of several, one line each.

mod scale;

use std::fmt::Write;

use leptos::prelude::*;

use self::scale::Scale;
use crate::model::{LaneSnapshot, Sample, StrategyKey};

/// Markers on one line at most; they tell the series apart without colour.
const MARKS_MAX: usize = 14;

/// Which line, and what it looks like.
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

    /// The outline of a marker around the origin.
    const fn mark(self) -> &'static str {
        match self {
            Self::Stock => "M-5-5h10v10h-10z",
            Self::Sold => "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
            Self::Rejected => "M0-6l6 11h-12z",
        }
    }
}

/// A bit of line with its marker, for legends and figures.
#[component]
pub fn SeriesKey(series: Series) -> impl IntoView {
    let name = series.name();
    view! {
        <svg class="key" viewBox="0 0 42 14" aria-hidden="true" focusable="false">
            <line class=format!("series series--{name}") x1="2" y1="7" x2="40" y2="7"></line>
            <path class=format!("mark mark--{name}") transform="translate(21 7)" d=series.mark()></path>
        </svg>
    }
}

/// The bit of line that stands for a strategy, wherever it is drawn.
#[component]
pub fn LaneKey(strategy: StrategyKey) -> impl IntoView {
    view! {
        <svg class="key" viewBox="0 0 42 14" aria-hidden="true" focusable="false">
            <line class=lane_class(strategy) x1="1" y1="7" x2="41" y2="7"></line>
        </svg>
    }
}

fn lane_class(strategy: StrategyKey) -> String {
    format!("lane-line lane-line--{strategy}")
}

/// The picture itself.
#[component]
pub fn Plot(
    lanes: Vec<LaneSnapshot>,
    /// Units that each attempt asked for, at most.
    each: u32,
) -> impl IntoView {
    let is_alone = lanes.len() == 1;
    let scale = Scale::of(&lanes, each, is_alone);
    let description = describe(&lanes);
    let lines = match lanes.as_slice() {
        [lane] => lines_of_one(lane, each, &scale).into_any(),
        lanes => lines_of_several(lanes, &scale).into_any(),
    };
    let shelf = lanes.first().filter(|_| is_alone).map(|lane| {
        #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
        let sold = lane.last().units_sold(each) as f64;
        scale.shelf(lane.stock, sold)
    });
    let units = if is_alone {
        "Units"
    } else {
        "Stock remaining (units)"
    };
    view! {
        <svg class="plot" viewBox="0 0 760 400" role="img" aria-labelledby="plot-title plot-desc">
            <title id="plot-title">{TITLE}</title>
            <desc id="plot-desc">{description}</desc>
            {scale.grid()}
            {shelf}
            <text class="plot__title" x="64" y="20">{units}</text>
            <text class="plot__title" x="64" y="278">"Buyers turned away"</text>
            {lines}
        </svg>
    }
}

/// What the picture, or the panels in its place, are called.
pub const TITLE: &str = "Stock remaining, successes and rejections over time.";

fn lines_of_one(lane: &LaneSnapshot, each: u32, scale: &Scale) -> impl IntoView + use<> {
    let units = |value| scale.units(value);
    let calls = |value| scale.calls(value);
    [
        (Series::Stock, points(lane, scale, stock, units)),
        (
            Series::Sold,
            points(lane, scale, |sample| sold(sample, each), units),
        ),
        (Series::Rejected, points(lane, scale, turned_away, calls)),
    ]
    .into_iter()
    .map(|(series, points)| marked_line(series, &points))
    .collect_view()
}

fn lines_of_several(lanes: &[LaneSnapshot], scale: &Scale) -> impl IntoView + use<> {
    lanes
        .iter()
        .map(|lane| {
            let units = points(lane, scale, stock, |value| scale.units(value));
            let calls = points(lane, scale, turned_away, |value| scale.calls(value));
            [units, calls].map(|points| {
                view! { <polyline class=lane_class(lane.strategy) points=path(&points)></polyline> }
            })
        })
        .collect_view()
}

#[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
fn stock(sample: &Sample) -> f64 {
    sample.remaining as f64
}

#[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
fn sold(sample: &Sample, each: u32) -> f64 {
    sample.units_sold(each) as f64
}

#[expect(clippy::cast_precision_loss, reason = "calls are far below 2^52")]
fn turned_away(sample: &Sample) -> f64 {
    sample.turned_away() as f64
}

fn points(
    lane: &LaneSnapshot,
    scale: &Scale,
    value: impl Fn(&Sample) -> f64,
    y: impl Fn(f64) -> f64,
) -> Vec<(f64, f64)> {
    let samples = lane.samples.iter();
    samples
        .map(|sample| (scale.x(sample.elapsed_ms), y(value(sample))))
        .collect()
}

fn path(points: &[(f64, f64)]) -> String {
    points.iter().fold(String::new(), |mut path, (x, y)| {
        // Writing to a String cannot fail.
        let _ = write!(path, "{x:.1},{y:.1} ");
        path
    })
}

/// One line and its markers.
fn marked_line(series: Series, points: &[(f64, f64)]) -> impl IntoView + use<> {
    let name = series.name();
    let every = points.len().div_ceil(MARKS_MAX).max(1);
    let marks = points
        .iter()
        .skip(every / 2)
        .step_by(every)
        .map(|(x, y)| {
            view! {
                <path class=format!("mark mark--{name}") transform=format!("translate({x:.1} {y:.1})") d=series.mark()></path>
            }
        })
        .collect_view();
    view! { <polyline class=format!("series series--{name}") points=path(points)></polyline> {marks} }
}

/// What the picture says, for those who do not see it.
pub fn describe(lanes: &[LaneSnapshot]) -> String {
    let told = lanes.iter().map(|lane| match lanes.len() {
        1 => describe_lane(lane),
        _ => format!("{}: {}", lane.strategy, describe_lane(lane)),
    });
    told.collect::<Vec<_>>().join(" ")
}

fn describe_lane(lane: &LaneSnapshot) -> String {
    match lane.samples.last() {
        None => format!(
            "{} units on the shelf. Nobody has been served yet.",
            lane.stock
        ),
        Some(last) => format!(
            "After {} ms: {} of {} units remain, {} purchases succeeded, {} were turned away.",
            last.elapsed_ms,
            last.remaining,
            lane.stock,
            last.succeeded,
            last.turned_away()
        ),
    }
}
