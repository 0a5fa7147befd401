//! Periodic announcements of a run's progress to screen readers.

use crate::model::{LaneSnapshot, RunSnapshot};

/// Summarises the run's state and each of its lanes.
#[cfg_attr(
    not(any(test, feature = "hydrate")),
    expect(dead_code, reason = "announced in the browser")
)]
pub fn summary(run: &RunSnapshot, units_per_attempt: u32) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let elapsed_s = run.elapsed_ms() as f64 / 1_000.0;
    let head = if run.state.is_over() {
        format!("{}.", run.state.in_words())
    } else {
        format!("{elapsed_s:.0} s:")
    };
    let lanes = run
        .lanes
        .iter()
        .map(|lane| lane_summary(lane, units_per_attempt));
    let lanes: Vec<_> = lanes.collect();
    format!("{head} {}.", lanes.join("; "))
}

fn lane_summary(lane: &LaneSnapshot, units_per_attempt: u32) -> String {
    let last = lane.last();
    let figures = format!(
        "{} {} of {} remaining, {} sold, {} rejected or failed",
        lane.name(),
        last.remaining,
        lane.stock,
        last.units_sold(units_per_attempt),
        last.unsuccessful()
    );
    match &lane.verdict {
        Some(verdict) => {
            let undersold = verdict.known_undersold();
            let undersold = undersold.map_or_else(|| "not known".to_owned(), |n| n.to_string());
            format!(
                "{figures}, oversold {}, undersold {undersold}",
                verdict.oversold
            )
        }
        None => match lane.lost_updates(units_per_attempt) {
            0 => figures,
            lost => format!("{figures}, lost updates for {lost} units so far"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LatencyMs, RunState, Sample, SimulationPlan, StrategyKey, Verdict};

    fn run(state: RunState, verdict: Option<Verdict>) -> RunSnapshot {
        let lane = LaneSnapshot {
            strategy: StrategyKey::RowLock,
            writers: None,
            product_name: String::new(),
            stock: 20,
            samples: vec![Sample {
                elapsed_ms: 12_000,
                remaining: 8,
                succeeded: 12,
                rejected: 3,
                ..Sample::default()
            }],
            latency_ms: LatencyMs::default(),
            verdict,
        };
        RunSnapshot {
            id: String::new(),
            state,
            plan: SimulationPlan::preset(),
            started_at: String::new(),
            name: String::new(),
            note: String::new(),
            lanes: vec![lane],
            events: Vec::new(),
            paused_ms: 0,
            passed: None,
            failure: None,
        }
    }

    #[test]
    fn the_summary_reports_progress_and_then_the_verdict() {
        let running = run(RunState::Running, None);
        assert_eq!(
            summary(&running, 1),
            "12 s: row-lock 8 of 20 remaining, 12 sold, 3 rejected or failed."
        );
        let finished = run(RunState::Finished, Some(Verdict::example()));
        assert_eq!(
            summary(&finished, 1),
            "Finished. row-lock 8 of 20 remaining, 12 sold, 3 rejected or failed, oversold 0, undersold 0."
        );
    }
}
