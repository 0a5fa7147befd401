//! The chart of a lane: stock and successes above, rejections below, on one time axis. Two panels, so that ten thousand rejections
//! cannot flatten twenty units of stock.

use std::fmt::Write;

use leptos::prelude::*;

use crate::model::{LaneSnapshot, Sample};

const LEFT: f64 = 64.0;
const RIGHT: f64 = 744.0;
const UNITS_BOTTOM: f64 = 244.0;
const UNITS_HEIGHT: f64 = 210.0;
const CALLS_BOTTOM: f64 = 372.0;
const CALLS_HEIGHT: f64 = 80.0;
/// Markers on one line at most; they tell the series apart without colour.
const MARKS_MAX: usize = 14;
/// A band of oversold units lower than this has no room for its label.
const LABEL_ROOM: f64 = 28.0;

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

/// The picture itself.
#[component]
pub fn Plot(
    lane: LaneSnapshot,
    /// Units that each attempt asked for, at most.
    each: u32,
    /// Which of the page's charts this is.
    index: usize,
) -> impl IntoView {
    let scale = Scale::of(&lane, each);
    let title = format!("plot-title-{index}");
    let description = format!("plot-desc-{index}");
    #[expect(
        clippy::cast_precision_loss,
        reason = "units and calls are far below 2^52"
    )]
    let (sold, rejected) = (
        move |sample: &Sample| sample.units_sold(each) as f64,
        |sample: &Sample| sample.turned_away() as f64,
    );
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    let stock = |sample: &Sample| sample.remaining as f64;
    let points = |value: &dyn Fn(&Sample) -> f64, y: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        lane.samples
            .iter()
            .map(|sample| (scale.x(sample.elapsed_ms), y(value(sample))))
            .collect()
    };
    let units = |value| scale.units(value);
    let calls = |value| scale.calls(value);
    let last_sold = lane.samples.last().map_or(0.0, sold);
    let lines = [
        (Series::Stock, points(&stock, &units)),
        (Series::Sold, points(&sold, &units)),
        (Series::Rejected, points(&rejected, &calls)),
    ];
    view! {
        <svg class="plot" viewBox="0 0 760 400" role="img" aria-labelledby=format!("{title} {description}")>
            <title id=title.clone()>"Stock remaining, successes and rejections over time"</title>
            <desc id=description.clone()>{describe(&lane)}</desc>
            {scale.grid()}
            {scale.shelf(lane.stock, last_sold)}
            <text class="plot__title" x="64" y="20">"Units"</text>
            <text class="plot__title" x="64" y="278">"Buyers turned away"</text>
            {lines.into_iter().map(|(series, points)| line(series, &points)).collect_view()}
        </svg>
    }
}

/// One line and its markers.
fn line(series: Series, points: &[(f64, f64)]) -> impl IntoView + use<> {
    let name = series.name();
    let path = points.iter().fold(String::new(), |mut path, (x, y)| {
        // Writing to a String cannot fail.
        let _ = write!(path, "{x:.1},{y:.1} ");
        path
    });
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
    view! { <polyline class=format!("series series--{name}") points=path></polyline> {marks} }
}

/// What the picture says, for those who do not see it.
pub fn describe(lane: &LaneSnapshot) -> String {
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

struct Scale {
    span_ms: u64,
    units_max: f64,
    calls_max: f64,
}

impl Scale {
    #[expect(
        clippy::cast_precision_loss,
        reason = "units and calls are far below 2^52"
    )]
    fn of(lane: &LaneSnapshot, each: u32) -> Self {
        let last = lane.last();
        let sold = last.units_sold(each) as f64;
        let highest = lane
            .samples
            .iter()
            .map(|sample| sample.remaining)
            .fold(lane.stock, i64::max) as f64;
        Self {
            span_ms: last.elapsed_ms.max(100),
            units_max: round_up(highest.max(sold) * 1.04, 5.0),
            calls_max: round_up((last.turned_away() as f64).max(1.0), 2.0),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    fn x(&self, elapsed_ms: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * elapsed_ms as f64 / self.span_ms as f64
    }

    /// The round distance between two ticks that leaves at most eight of them.
    fn tick_ms(&self) -> u64 {
        let mut power = 1;
        loop {
            for step in [1, 2, 5] {
                if self.span_ms / (step * power) <= 7 {
                    return step * power;
                }
            }
            power *= 10;
        }
    }

    fn units(&self, value: f64) -> f64 {
        UNITS_BOTTOM - UNITS_HEIGHT * value / self.units_max
    }

    fn calls(&self, value: f64) -> f64 {
        CALLS_BOTTOM - CALLS_HEIGHT * value / self.calls_max
    }

    fn grid(&self) -> impl IntoView + use<> {
        let row = |y: f64, value: f64| {
            view! {
                <line class="grid-line" x1=LEFT y1=y x2=RIGHT y2=y></line>
                <text class="n-end" x="56" y=y + 4.0>{value.round().to_string()}</text>
            }
        };
        let units = (0..=5).map(f64::from).map(|i| self.units_max * i / 5.0);
        let calls = (0..=2).map(f64::from).map(|i| self.calls_max * i / 2.0);
        let rows = units
            .map(|value| row(self.units(value), value))
            .chain(calls.map(|value| row(self.calls(value), value)))
            .collect_view();
        let step = self.tick_ms();
        let ticks = (0..=self.span_ms / step)
            .map(|i| {
                let at = step * i;
                let class = if i % 2 == 1 {
                    "n-mid tick-minor"
                } else {
                    "n-mid"
                };
                let text = if at == 0 {
                    "0 ms".to_owned()
                } else {
                    at.to_string()
                };
                view! { <text class=class x=self.x(at) y="394">{text}</text> }
            })
            .collect_view();
        view! {
            {rows}
            {ticks}
            <line class="axis" x1=LEFT y1=UNITS_BOTTOM x2=RIGHT y2=UNITS_BOTTOM></line>
            <line class="axis" x1=LEFT y1=CALLS_BOTTOM x2=RIGHT y2=CALLS_BOTTOM></line>
        }
    }

    /// The line that sales must not cross, and what lies above it.
    #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
    fn shelf(&self, stock: i64, sold: f64) -> impl IntoView + use<> {
        let shelf = self.units(stock as f64);
        let over = (sold - stock as f64).max(0.0);
        let height = shelf - self.units(stock as f64 + over);
        let band = (over > 0.0).then(|| {
            let top = shelf - height;
            let label = (height >= LABEL_ROOM).then(|| {
                view! {
                    <text class="over-label n-end" x="740" y=top + height / 2.0 + 5.0>
                        {format!("{over} sold that were never there")}
                    </text>
                }
            });
            view! { <rect class="over" x=LEFT y=top width=RIGHT - LEFT height=height></rect> {label} }
        });
        view! {
            {band}
            <line class="shelf" x1=LEFT y1=shelf x2=RIGHT y2=shelf></line>
            <text class="shelf-label" x=LEFT + 72.0 y=shelf - 12.0>{format!("{stock} on the shelf at the start")}</text>
        }
    }
}

/// The next round number (1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten) that `parts` divides into whole steps.
fn round_up(value: f64, parts: f64) -> f64 {
    let mut power = 1.0;
    loop {
        for step in [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0] {
            let round = step * power;
            if round >= value && (round / parts).fract() == 0.0 {
                return round;
            }
        }
        power *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn axes_end_on_round_numbers() {
        for (value, parts, round) in [
            (0.0, 5.0, 5.0),
            (20.8, 5.0, 30.0),
            (104.0, 5.0, 150.0),
            (1.0, 2.0, 2.0),
            (363.0, 2.0, 400.0),
            (10_400.0, 5.0, 15_000.0),
        ] {
            assert!(
                (round_up(value, parts) - round).abs() < f64::EPSILON,
                "{value}"
            );
        }
    }
}
