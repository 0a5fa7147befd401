//! Several curves on one time axis.

use leptos::prelude::*;

use crate::model::{AxisScale, StrategyKey, polyline};

/// Number of colours in the style sheet for curves that are distinguished by their index.
const COLOURS: usize = 8;

/// The appearance of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveStyle {
    /// The colour of its strategy, where each strategy is drawn once.
    Strategy(StrategyKey),
    /// A colour by its index, where one strategy is drawn for several runs. Beyond eight curves,
    /// the line is dashed as well.
    Index { index: usize, is_unsafe: bool },
}

impl CurveStyle {
    /// Returns the style of a lane of `strategy` at `index`.
    pub fn for_index(index: usize, strategy: StrategyKey) -> Self {
        Self::Index {
            index,
            is_unsafe: !strategy.is_safe(),
        }
    }

    /// Returns the CSS classes.
    pub fn class(self) -> String {
        match self {
            Self::Strategy(strategy) => format!("curve lane-line--{strategy}"),
            Self::Index { index, is_unsafe } => {
                let dashes = match (is_unsafe, index < COLOURS) {
                    (true, _) => " curve--unsafe",
                    (false, false) => " curve--dashed",
                    (false, true) => "",
                };
                format!("curve curve--{}{dashes}", index % COLOURS)
            }
        }
    }
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub name: String,
    pub curve_style: CurveStyle,
    /// Pairs of a time in milliseconds and the value measured at it.
    pub points: Vec<(f64, f64)>,
}

/// The size of a chart. A wide chart scaled down to a phone would be unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    Wide,
    Narrow,
}

impl Frame {
    const fn class(self) -> &'static str {
        match self {
            Self::Wide => "curves curves--wide",
            Self::Narrow => "curves curves--narrow",
        }
    }

    /// Returns the width, the height, and the left and right margins for the axes.
    pub const fn size(self) -> (f64, f64, f64, f64) {
        match self {
            Self::Wide => (760.0, 300.0, 60.0, 14.0),
            Self::Narrow => (350.0, 260.0, 46.0, 12.0),
        }
    }

    const fn ticks(self) -> f64 {
        match self {
            Self::Wide => 8.0,
            Self::Narrow => 4.0,
        }
    }
}

const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// Draws a chart for wide windows and one for phones. The style sheet shows one of them.
#[component]
pub fn Curves(
    curves: Vec<Curve>,
    /// The accessible label: what the chart shows.
    label: String,
    /// Values marked by a horizontal line, such as the initial stock.
    #[prop(optional)]
    marks: Vec<f64>,
) -> impl IntoView {
    let charts = [Frame::Wide, Frame::Narrow].map(|frame| {
        let (width, height, ..) = frame.size();
        view! {
            <svg class=frame.class() viewBox=format!("0 0 {width} {height}") role="img" aria-label=label.clone()>
                {drawing(&curves, &marks, frame)}
            </svg>
        }
    });
    charts.into_iter().collect_view()
}

/// Draws the content of the chart.
pub fn drawing(curves: &[Curve], marks: &[f64], frame: Frame) -> impl IntoView + use<> {
    let axes = CurveAxes::of(curves, marks, frame);
    let lines = curves.iter().map(|curve| {
        let points = curve.points.iter();
        let points = polyline(
            points.map(|(ms, value)| (axes.time.position(*ms), axes.values.position(*value))),
        );
        view! { <polyline class=curve.curve_style.class() points=points></polyline> }
    });
    let mut marked: Vec<f64> = marks.to_vec();
    marked.sort_by(f64::total_cmp);
    marked.dedup();
    let (left, right) = axes.time.positions;
    let marked = marked.into_iter().map(|value| {
        let y = axes.values.position(value);
        view! { <line class="curves__mark" x1=left x2=right y1=y y2=y></line> }
    });
    view! {
        {axes.grid()}
        {marked.collect_view()}
        {lines.collect_view()}
    }
}

/// Shows a short line, for legends and tables.
#[component]
pub fn CurveKey(curve_style: CurveStyle) -> impl IntoView {
    view! {
        <svg class="key" viewBox="0 0 42 14" aria-hidden="true" focusable="false">
            <line class=curve_style.class() x1="2" y1="7" x2="40" y2="7"></line>
        </svg>
    }
}

/// The axes of a chart.
struct CurveAxes {
    /// Milliseconds.
    time: AxisScale,
    values: AxisScale,
    /// Maximum number of intervals between two ticks of the time axis.
    ticks: f64,
}

impl CurveAxes {
    fn of(curves: &[Curve], marks: &[f64], frame: Frame) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let values = || {
            points()
                .map(|(_, value)| *value)
                .chain(marks.iter().copied())
        };
        let (width, height, left, margin) = frame.size();
        let span_ms = points().map(|(ms, _)| *ms).fold(100.0, f64::max);
        let low = values().fold(0.0, f64::min);
        let high = values().fold(1.0, f64::max) * 1.04;
        Self {
            time: AxisScale::linear((0.0, span_ms), (left, width - margin)),
            values: AxisScale::linear((low, high), (height - BOTTOM, TOP)),
            ticks: frame.ticks(),
        }
    }

    fn grid(&self) -> impl IntoView + use<> {
        let (left, right) = self.time.positions;
        let (bottom, _) = self.values.positions;
        let (low, high) = self.values.values;
        let (_, span_ms) = self.time.values;
        let step = round_step(high - low, 5.0);
        let rows = steps(low, high, step).map(|value| {
            let y = self.values.position(value);
            view! {
                <line class="curves__grid" x1=left x2=right y1=y y2=y></line>
                <text class="curves__end" x=left - 8.0 y=y + 4.0>{format_value(value)}</text>
            }
        });
        let ticks = steps(0.0, span_ms, round_step(span_ms, self.ticks)).map(|ms| {
            view! { <text class="curves__mid" x=self.time.position(ms) y=bottom + 22.0>{format_time(ms)}</text> }
        });
        let zero = self.values.position(0.0_f64.max(low));
        view! {
            {rows.collect_view()}
            {ticks.collect_view()}
            <line class="curves__axis" x1=left x2=right y1=zero y2=zero></line>
        }
    }
}

/// Returns the smallest round step that divides `span` into at most `parts` steps.
fn round_step(span: f64, parts: f64) -> f64 {
    let power = 10_f64.powf((span / parts).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fits = steps.into_iter().find(|step| span / step <= parts);
    fits.unwrap_or(10.0 * power)
}

/// Returns the multiples of `step` from `low` to `high`. There are few: see [`round_step`].
fn steps(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first).clamp(0.0, 20.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 20"
    )]
    let count = count as u32;
    (0..=count).map(move |index| (first + f64::from(index)) * step)
}

/// Formats a value as `0`, `250` or `1.5k`; small values keep significant decimals.
fn format_value(value: f64) -> String {
    let short = match value.abs() {
        huge if huge >= 10_000.0 => return format!("{}k", value / 1_000.0),
        large if large >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    };
    match short.split_once('.') {
        Some((whole, digits)) if digits.trim_end_matches('0').is_empty() => whole.to_owned(),
        _ => short,
    }
}

/// Formats a time as `200 ms` or `1.5 s`.
fn format_time(ms: f64) -> String {
    if ms >= 1_000.0 && (ms % 1_000.0) < f64::EPSILON {
        format!("{:.0} s", ms / 1_000.0)
    } else if ms >= 1_000.0 {
        format!("{:.1} s", ms / 1_000.0)
    } else {
        format!("{ms:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_few_and_round_ticks() {
        for (span, parts, step) in [
            (20.8, 5.0, 5.0),
            (104.0, 5.0, 50.0),
            (1.04, 5.0, 0.5),
            (1_800.0, 8.0, 500.0),
        ] {
            assert!(
                (round_step(span, parts) - step).abs() < 1e-9,
                "{span}: {}",
                round_step(span, parts)
            );
        }
        let values: Vec<f64> = steps(-7.0, 20.8, 5.0).collect();
        assert_eq!(values, [-5.0, 0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(
            [0.0, 0.25, 250.0, 15_000.0].map(format_value),
            ["0", "0.25", "250", "15k"]
        );
        assert_eq!(
            [0.0, 500.0, 1_500.0, 2_000.0].map(format_time),
            ["0 ms", "500 ms", "1.5 s", "2 s"]
        );
    }
}
