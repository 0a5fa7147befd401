//! Several curves on one time axis.

use leptos::prelude::*;

use crate::model::{AxisScale, StrategyKey, polyline};

/// How often the letter of a run is written along its curve.
const LETTERS: usize = 3;
/// Curves whose letters have places of their own: those of runs A to D.
const LETTERED: usize = 4;

/// The appearance of a curve: always the colour and the dashes of its strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveStyle {
    /// Of one run, in which each strategy is drawn once, or twice: then the second time thinly.
    OfLane {
        strategy: StrategyKey,
        is_thin: bool,
    },
    /// Of one of several runs, which may draw the same strategy: marked with the run's letter, and
    /// with a width for each run.
    OfRun {
        strategy: StrategyKey,
        /// From `A`.
        letter: char,
    },
}

impl CurveStyle {
    /// Returns the CSS classes.
    pub fn class(self) -> String {
        match self {
            Self::OfLane { strategy, is_thin } => {
                let thin = if is_thin { " curve--thin" } else { "" };
                format!("curve{thin} lane-line--{strategy}")
            }
            Self::OfRun { strategy, letter } => {
                let run = letter.to_ascii_lowercase();
                format!("curve curve--{run} lane-line--{strategy}")
            }
        }
    }

    const fn letter(self) -> Option<char> {
        match self {
            Self::OfLane { .. } => None,
            Self::OfRun { letter, .. } => Some(letter),
        }
    }
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
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
    let letters = curves.iter().map(|curve| letters(curve, &axes));
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
        {letters.collect_view()}
    }
}

/// Writes the letter of a curve's run at a few of its points, for each run at others.
fn letters(curve: &Curve, axes: &CurveAxes) -> impl IntoView + use<> {
    let letter = curve.curve_style.letter();
    let places = letter.map(|letter| letter_places(letter, curve.points.len()));
    let places = places.unwrap_or_default().into_iter();
    let letters = places.filter_map(|place| {
        let (ms, value) = curve.points.get(place)?;
        let (x, y) = (axes.time.position(*ms), axes.values.position(*value));
        let letter = letter?.to_string();
        Some(view! { <text class="curves__letter" x=x y=y + 5.0>{letter}</text> })
    });
    letters.collect_view()
}

/// Returns the points of a curve at which the letter of its run is written.
fn letter_places(letter: char, points: usize) -> Vec<usize> {
    let run = usize::from(u8::try_from(letter).unwrap_or(b'A').saturating_sub(b'A')) % LETTERED;
    let parts = LETTERS * LETTERED * 2;
    let mut places: Vec<_> = (0..LETTERS)
        .map(|turn| points * ((turn * LETTERED + run) * 2 + 1) / parts)
        .collect();
    places.dedup();
    places
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
    fn the_letters_of_runs_are_at_different_points() {
        assert_eq!(letter_places('A', 24), [1, 9, 17]);
        assert_eq!(letter_places('D', 24), [7, 15, 23]);
        for points in [0, 1, 2, 600] {
            let all = ('A'..='D').flat_map(|letter| letter_places(letter, points));
            let all: Vec<_> = all.collect();
            assert!(
                all.iter().all(|place| *place < points.max(1)),
                "{points}: {all:?}"
            );
        }
        let mut all: Vec<_> = ('A'..='D')
            .flat_map(|letter| letter_places(letter, 600))
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), LETTERS * LETTERED);
    }

    #[test]
    fn a_curve_has_the_colour_of_its_strategy_in_one_run_and_in_several() {
        let strategy = StrategyKey::RowLock;
        let alone = |is_thin| CurveStyle::OfLane { strategy, is_thin }.class();
        let compared = CurveStyle::OfRun {
            strategy,
            letter: 'B',
        };
        assert_eq!(alone(false), "curve lane-line--row-lock");
        assert_eq!(alone(true), "curve curve--thin lane-line--row-lock");
        assert_eq!(compared.class(), "curve curve--b lane-line--row-lock");
    }

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
