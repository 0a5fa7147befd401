//! The history of one figure as a line, drawn by the server. Where a value is unknown, the line has
//! a gap.

use leptos::prelude::*;

use crate::{
    model::{AxisScale, polyline},
    web::health::{figures::Figure, history::Period},
};

const WIDTH: f64 = 340.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 336.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 92.0;

/// Draws the values, of which the last one is from now.
#[component]
pub fn HistoryChart(
    figure: &'static Figure,
    period: Period,
    values: Vec<Option<f64>>,
) -> impl IntoView {
    let known = || values.iter().flatten().copied();
    let highest = known().fold(0.0, f64::max);
    let limit = figure
        .limit
        .filter(|limit| *limit > 0.0 && highest > limit / 2.0);
    let top = limit.unwrap_or_default().max(highest);
    // A figure that has always been zero is a line at the bottom.
    let top = if top > 0.0 { top * 1.05 } else { 1.0 };
    let scale = AxisScale::linear((0.0, top), (BOTTOM, TOP));
    let lines = runs_of(&values, period).into_iter().map(|run| {
        let points = run.into_iter().map(|(x, value)| (x, scale.position(value)));
        view! { <polyline class="health__line" points=polyline(points)></polyline> }
    });
    let limit_line = limit.map(|limit| {
        let y = scale.position(limit);
        view! { <line class="health__limit" x1=LEFT x2=RIGHT y1=y y2=y></line> }
    });
    let top_label = (highest > 0.0).then(|| {
        let y = scale.position(highest) + 4.0;
        view! { <text class="health__end" x=LEFT - 6.0 y=y>{figure.unit.format(highest)}</text> }
    });
    let begin = match period {
        Period::Hour => "1 h ago",
        Period::Day => "24 h ago",
    };
    let view_box = format!("0 0 {WIDTH} 112");
    view! {
        <svg class="health__chart" viewBox=view_box role="img" aria-label=describe(figure, period, &values)>
            <line class="health__axis" x1=LEFT x2=RIGHT y1=BOTTOM y2=BOTTOM></line>
            {limit_line}
            {lines.collect_view()}
            {top_label}
            <text class="health__end" x=LEFT - 6.0 y=BOTTOM + 4.0>"0"</text>
            <text x=LEFT y="108">{begin}</text>
            <text class="health__end" x=RIGHT y="108">"now"</text>
        </svg>
    }
}

/// Returns the parts of the line without gaps, as pairs of a position and a value. A single value
/// becomes a short line, so that it is visible.
#[expect(
    clippy::cast_precision_loss,
    reason = "a history has some hundred values"
)]
fn runs_of(values: &[Option<f64>], period: Period) -> Vec<Vec<(f64, f64)>> {
    let steps = period.samples_max().saturating_sub(1) as f64;
    let time = AxisScale::linear((-steps, 0.0), (LEFT, RIGHT));
    let last = values.len().saturating_sub(1);
    let position = |index: usize| time.position(-((last - index) as f64));
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut is_continued = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_continued = false;
            continue;
        };
        let point = (position(index), *value);
        match runs.last_mut().filter(|_| is_continued) {
            Some(run) => run.push(point),
            None => runs.push(vec![(point.0 - 2.0, *value), point]),
        }
        is_continued = true;
    }
    runs
}

/// Describes the chart in words, for screen readers.
fn describe(figure: &Figure, period: Period, values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied();
    let span = match period {
        Period::Hour => "hour",
        Period::Day => "day",
    };
    let Some(latest) = known().next_back() else {
        return format!("{}: no values in the last {span}.", figure.title);
    };
    let format = |value| figure.unit.format(value);
    format!(
        "{} in the last {span}: now {}, lowest {}, highest {}.",
        figure.title,
        format(latest),
        format(known().fold(f64::INFINITY, f64::min)),
        format(known().fold(0.0, f64::max)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::health::figures::FIGURES;

    #[test]
    fn an_unknown_value_is_a_gap() {
        let values = [Some(1.0), None, Some(2.0), Some(3.0)];
        let runs = runs_of(&values, Period::Hour);
        let lengths: Vec<_> = runs.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 3]);
        let (x, value) = runs[1][2];
        assert!((x - RIGHT).abs() < 1e-9, "the last value is from now: {x}");
        assert!((value - 3.0).abs() < f64::EPSILON);
        assert!(runs_of(&[], Period::Day).is_empty());
    }

    #[test]
    fn a_chart_says_what_it_shows() {
        let Some(sales) = FIGURES.iter().find(|figure| figure.id == "sales") else {
            panic!("the figure exists");
        };
        assert_eq!(
            describe(sales, Period::Hour, &[Some(2.0), None, Some(1.0)]),
            "Successes in the last hour: now 1.0/s, lowest 1.0/s, highest 2.0/s."
        );
        assert_eq!(
            describe(sales, Period::Day, &[None]),
            "Successes: no values in the last day."
        );
    }
}
