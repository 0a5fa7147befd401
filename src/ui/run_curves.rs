//! The measurements of a lane, as curves.

use super::curves::{Curve, CurveStyle};
use crate::model::{
    LanePresentation, LaneSnapshot, Sample, StrategyKey, plan::Writers, snapshot::is_thin,
};

/// Rates are averaged over this share of the run, to reduce noise.
const RATE_SHARE: f64 = 0.05;

/// A metric that can be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub title: &'static str,
    /// Returns pairs of a time in milliseconds and the value measured at it.
    pub points: fn(&LaneSnapshot) -> Vec<(f64, f64)>,
    /// Whether the initial stock is marked.
    pub marks_stock: bool,
}

/// The metrics by which runs are compared.
pub const METRICS: &[Metric] = &[
    Metric {
        title: "Stock remaining",
        points: stock,
        marks_stock: true,
    },
    Metric {
        title: "Successes per second",
        points: successes_per_second,
        marks_stock: false,
    },
    Metric {
        title: "Rejected or failed",
        points: unsuccessful,
        marks_stock: false,
    },
    Metric {
        title: "Latency p99 (ms)",
        points: p99,
        marks_stock: false,
    },
];

impl Metric {
    /// Returns the curve of `lane`.
    pub fn curve(&self, curve_style: CurveStyle, lane: &LaneSnapshot) -> Curve {
        Curve {
            curve_style,
            points: (self.points)(lane),
        }
    }
}

/// Returns the look of a lane in the charts of its own run.
pub fn lane_style(strategy: StrategyKey, writers: Option<Writers>) -> CurveStyle {
    CurveStyle::OfLane {
        strategy,
        is_thin: is_thin(writers),
    }
}

/// Returns the curve of a lane's remaining stock for the presentation page.
pub fn presented_stock(lane: &LanePresentation) -> Curve {
    let moments = lane.moments.iter();
    Curve {
        curve_style: lane_style(lane.strategy, lane.writers),
        points: moments
            .map(|moment| (of_ms(moment.elapsed_ms), of_units(moment.remaining)))
            .collect(),
    }
}

/// Returns the remaining stock.
pub fn stock(lane: &LaneSnapshot) -> Vec<(f64, f64)> {
    map_samples(lane, |sample| of_units(sample.remaining))
}

/// Returns the units sold. For runs stored without unit counts, `units_per_attempt` is the quantity
/// of each attempt.
#[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
pub fn sold(lane: &LaneSnapshot, units_per_attempt: u32) -> Vec<(f64, f64)> {
    map_samples(lane, |sample| sample.units_sold(units_per_attempt) as f64)
}

/// Returns the attempts that were rejected or failed.
#[expect(clippy::cast_precision_loss, reason = "calls are far below 2^52")]
pub fn unsuccessful(lane: &LaneSnapshot) -> Vec<(f64, f64)> {
    map_samples(lane, |sample| sample.unsuccessful() as f64)
}

/// Returns the 99th percentile of the attempts that ended since the previous point; skips points
/// without any.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52 microseconds")]
fn p99(lane: &LaneSnapshot) -> Vec<(f64, f64)> {
    let timed = lane.samples.iter().filter(|sample| sample.recent.timed > 0);
    timed
        .map(|sample| {
            let ms = sample.recent.p99_us as f64 / 1_000.0;
            (of_ms(sample.elapsed_ms), ms)
        })
        .collect()
}

fn map_samples(lane: &LaneSnapshot, value: impl Fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let samples = lane.samples.iter();
    samples
        .map(|sample| (of_ms(sample.elapsed_ms), value(sample)))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "calls are far below 2^52")]
fn successes_per_second(lane: &LaneSnapshot) -> Vec<(f64, f64)> {
    let window_ms = of_ms(lane.last().elapsed_ms) * RATE_SHARE;
    let mut since = lane.samples.iter().peekable();
    let mut from = Sample::default();
    let rates = lane.samples.iter().map(|sample| {
        let now_ms = of_ms(sample.elapsed_ms);
        while let Some(next) = since.next_if(|next| now_ms - of_ms(next.elapsed_ms) >= window_ms) {
            from = *next;
        }
        let ms = now_ms - of_ms(from.elapsed_ms);
        let succeeded = sample.succeeded.saturating_sub(from.succeeded) as f64;
        (
            now_ms,
            if ms > 0.0 {
                succeeded * 1_000.0 / ms
            } else {
                0.0
            },
        )
    });
    rates.collect()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
const fn of_ms(ms: u64) -> f64 {
    ms as f64
}

#[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
const fn of_units(units: i64) -> f64 {
    units as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;
    use serde_json::json;

    #[test]
    fn a_rate_covers_the_preceding_window() {
        let sample = |elapsed_ms, succeeded| Sample {
            elapsed_ms,
            succeeded,
            ..Sample::default()
        };
        // 100 per second for one second, then none.
        let samples: Vec<Sample> = (0..=20_u64)
            .map(|index| sample(index * 100, (index * 10).min(100)))
            .collect();
        let lane = json!({
            "strategy": StrategyKey::RowLock, "productName": "", "stock": 20, "samples": samples,
            "latencyMs": Verdict::example().latency_ms, "verdict": null,
        });
        let lane: LaneSnapshot = serde_json::from_value(lane).expect("a lane");
        let rates = successes_per_second(&lane);
        let at = |ms: f64| {
            rates
                .iter()
                .find(|(at, _)| (at - ms).abs() < 0.5)
                .map(|(_, rate)| *rate)
        };
        assert_eq!(
            [at(0.0), at(500.0), at(1_000.0), at(1_500.0)],
            [0.0, 100.0, 100.0, 0.0].map(Some)
        );
    }
}
