//! The axes of the chart: one for time, one for units and one for attempts.

use leptos::prelude::*;

use crate::{
    model::{AxisScale, LaneSnapshot},
    ui::time_axis,
};

const LEFT: f64 = 64.0;
const RIGHT: f64 = 744.0;
const UNITS_TOP: f64 = 34.0;
const UNITS_BOTTOM: f64 = 244.0;
const CALLS_TOP: f64 = 292.0;
const CALLS_BOTTOM: f64 = 372.0;
/// A band of oversold units needs at least this height to show its label.
const LABEL_ROOM: f64 = 28.0;

/// The axes of both panels.
pub struct PlotAxes {
    /// Milliseconds since the start of the lane.
    pub time: AxisScale,
    pub units: AxisScale,
    /// Rejected or failed attempts.
    pub calls: AxisScale,
    span_ms: u64,
}

impl PlotAxes {
    /// Creates axes that fit all points of all lanes, and the units sold if `with_sold`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds, units and calls are far below 2^52"
    )]
    pub fn of(lanes: &[LaneSnapshot], units_per_attempt: u32, with_sold: bool) -> Self {
        let span_ms = lanes.iter().map(|lane| lane.last().elapsed_ms).max();
        let units = lanes.iter().flat_map(|lane| {
            let remaining = lane.samples.iter().map(|sample| sample.remaining);
            let sold = i64::try_from(lane.last().units_sold(units_per_attempt)).unwrap_or(i64::MAX);
            remaining
                .chain([lane.stock])
                .chain(with_sold.then_some(sold))
        });
        let calls = lanes.iter().map(|lane| lane.last().unsuccessful()).max();
        let span_ms = span_ms.unwrap_or_default().max(100);
        let units_max = round_up(units.max().unwrap_or_default().max(0) as f64 * 1.04, 5.0);
        let calls_max = round_up((calls.unwrap_or_default() as f64).max(1.0), 2.0);
        Self {
            time: AxisScale::linear((0.0, span_ms as f64), (LEFT, RIGHT)),
            units: AxisScale::linear((0.0, units_max), (UNITS_BOTTOM, UNITS_TOP)),
            calls: AxisScale::linear((0.0, calls_max), (CALLS_BOTTOM, CALLS_TOP)),
            span_ms,
        }
    }

    /// Returns the round interval between two ticks that gives at most eight ticks.
    fn tick_ms(&self) -> u64 {
        time_axis::round_step_ms(|step| self.span_ms / step <= 7)
    }

    /// Draws the grid lines and numbers of both panels.
    pub fn grid(&self) -> impl IntoView + use<> {
        let row = |axis: &AxisScale, index: f64, parts: f64| {
            let value = axis.values.1 * index / parts;
            let y = axis.position(value);
            view! {
                <line class="grid-line" x1=LEFT y1=y x2=RIGHT y2=y></line>
                <text class="n-end" x="56" y=y + 4.0>{value.round().to_string()}</text>
            }
        };
        let units = (0..=5).map(|index| row(&self.units, f64::from(index), 5.0));
        let calls = (0..=2).map(|index| row(&self.calls, f64::from(index), 2.0));
        let rows = units.chain(calls).collect_view();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
        let ticks = time_axis::ticks(self.tick_ms())
            .take_while(|tick| tick.at_ms <= self.span_ms)
            .map(|tick| {
                let x = self.time.position(tick.at_ms as f64);
                view! { <text class=tick.class x=x y="394">{tick.text}</text> }
            })
            .collect_view();
        view! {
            {rows}
            {ticks}
            <line class="axis" x1=LEFT y1=UNITS_BOTTOM x2=RIGHT y2=UNITS_BOTTOM></line>
            <line class="axis" x1=LEFT y1=CALLS_BOTTOM x2=RIGHT y2=CALLS_BOTTOM></line>
        }
    }

    /// Draws the line of the initial stock, which sales must not cross, and a band for oversold
    /// units.
    #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
    pub fn stock_limit(&self, stock: i64, sold: f64) -> impl IntoView + use<> {
        let limit = self.units.position(stock as f64);
        let over = (sold - stock as f64).max(0.0);
        let height = limit - self.units.position(stock as f64 + over);
        let band = (over > 0.0).then(|| {
            let top = limit - height;
            let label = (height >= LABEL_ROOM).then(|| {
                view! {
                    <text class="over-label n-end" x="740" y=top + height / 2.0 + 5.0>
                        {format!("{over} units oversold")}
                    </text>
                }
            });
            view! { <rect class="over" x=LEFT y=top width=RIGHT - LEFT height=height></rect> {label} }
        });
        view! {
            {band}
            <line class="stock-limit" x1=LEFT y1=limit x2=RIGHT y2=limit></line>
            <text class="stock-limit-label" x=LEFT + 72.0 y=limit - 12.0>{format!("{stock} units of initial stock")}</text>
        }
    }
}

/// Returns the next round number (1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten) that `parts`
/// divides into whole steps.
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
