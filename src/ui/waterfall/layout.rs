//! Positions of times and attempts in the waterfall, and the shapes drawn there.

use leptos::prelude::*;

use super::{outcome_mark::outcome_mark, pattern::fill_url};
use crate::{
    model::{
        AxisScale,
        waterfall::{Precision, Row, Span, Waterfall},
    },
    ui::time_axis,
};

const LEFT: f64 = 76.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 34.0;
const ROW: f64 = 16.0;
const BAR: f64 = 11.0;
/// A part narrower than this would be invisible.
const WIDTH_MIN: f64 = 0.8;
/// On a narrow screen, only every fifth row shows its label.
const LABEL_EVERY: usize = 5;

/// The time axis, and one row for each attempt.
pub struct WaterfallLayout {
    span_ms: f64,
    rows: usize,
}

impl WaterfallLayout {
    /// Creates a layout that fits all rows of `waterfall`.
    pub fn of(waterfall: &Waterfall) -> Self {
        let ends = waterfall
            .rows
            .iter()
            .map(|row| row.start_ms + row.latency_ms);
        Self {
            span_ms: ends.fold(1.0, f64::max),
            rows: waterfall.rows.len(),
        }
    }

    fn x(&self, ms: f64) -> f64 {
        let time = AxisScale::linear((0.0, self.span_ms), (LEFT, RIGHT));
        time.position(ms.clamp(0.0, self.span_ms))
    }

    #[expect(clippy::cast_precision_loss, reason = "a few dozen rows")]
    fn y(&self, row: usize) -> f64 {
        TOP + ROW * row as f64
    }

    /// Returns the height of the whole chart.
    pub fn height(&self) -> f64 {
        self.y(self.rows) + 34.0
    }

    /// Returns the round interval between two ticks that gives at most seven intervals.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    fn tick_ms(&self) -> u64 {
        time_axis::round_step_ms(|step| self.span_ms / step as f64 <= 7.0)
    }

    /// Draws the lines and numbers of the time axis.
    pub fn grid(&self) -> impl IntoView + use<> {
        let bottom = self.y(self.rows) + 2.0;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
        let ticks = time_axis::ticks(self.tick_ms())
            .map(|tick| (tick.at_ms as f64, tick))
            .take_while(|(at, _)| *at <= self.span_ms)
            .map(|(at, tick)| {
                let x = self.x(at);
                view! {
                    <line class="grid-line" x1=x y1=TOP x2=x y2=bottom></line>
                    <text class=tick.class x=x y=bottom + 22.0>{tick.text}</text>
                }
            })
            .collect_view();
        view! { {ticks} <line class="axis" x1=LEFT y1=bottom x2=RIGHT y2=bottom></line> }
    }

    /// Draws one attempt: the number of its buyer, its parts, its outcome and its retries.
    pub fn row(&self, at: usize, row: &Row) -> impl IntoView + use<> {
        let (top, middle) = (self.y(at), self.y(at) + ROW / 2.0);
        let (from, to) = (self.x(row.start_ms), self.x(row.start_ms + row.latency_ms));
        let class = if at.is_multiple_of(LABEL_EVERY) {
            "n-end"
        } else {
            "n-end tick-minor"
        };
        let whole = (row.precision == Precision::Whole).then(|| {
            let width = (to - from).max(WIDTH_MIN);
            view! { <rect class="fall fall--whole" x=from y=top + 2.5 width=width height=BAR></rect> }
        });
        let spans = row.spans.iter().map(|span| self.span(row, *span, top));
        let spans = spans.collect_view();
        let retries = (row.retries > 0).then(|| {
            let text = if row.retries == 1 { "1 retry".to_owned() } else { format!("{} retries", row.retries) };
            view! { <text class="fall__retries tick-minor" x=to + 17.0 y=middle + 4.0>{text}</text> }
        });
        view! {
            <text class=class x=LEFT - 10.0 y=middle + 4.5>{row.buyer + 1}</text>
            <line class="fall__whole" x1=from y1=middle x2=to y2=middle></line>
            {whole}
            {spans}
            {outcome_mark(row.outcome, to + 8.0, middle)}
            {retries}
        }
    }

    fn span(&self, row: &Row, span: Span, top: f64) -> impl IntoView + use<> {
        let from = self.x(row.start_ms + span.from_ms);
        let width = self.x(row.start_ms + span.to_ms) - from;
        // A part that took no time is not drawn; a very short one is drawn with the minimum width.
        (span.to_ms > span.from_ms).then(|| {
            let width = width.max(WIDTH_MIN);
            view! { <rect class="fall" x=from y=top + 2.5 width=width height=BAR fill=fill_url(span.part)></rect> }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::WaterfallLayout;

    #[test]
    fn ticks_are_round_and_few() {
        for (span_ms, tick_ms) in [(1.0, 1), (7.0, 1), (7.1, 2), (60.0, 10), (5_600.0, 1_000)] {
            let layout = WaterfallLayout { span_ms, rows: 1 };
            assert_eq!(layout.tick_ms(), tick_ms, "{span_ms}");
        }
    }
}
