//! A run as one JSON object. Its envelope states the format and version, so that a reader can
//! reject a version it does not know. `docs/EXPORTS.md` describes the format.

use serde::Serialize;

use super::points::Point;
use crate::model::{
    LaneSnapshot, LatencyMs, RunEvent, RunSnapshot, RunState, SimulationPlan, StrategyKey, Verdict,
    plan::Writers,
};

/// The name of the format.
pub const FORMAT: &str = "doorbuster-run";
/// The version of the format. It is incremented when a field is removed or changes its meaning, not
/// when one is added.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    format: &'static str,
    version: u32,
    /// Version of the program that wrote the file.
    doorbuster: &'static str,
    /// In RFC 3339, by the database's clock.
    exported_at: &'a str,
    run: ExportedRun<'a>,
}

/// A [`RunSnapshot`] whose samples have every figure.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedRun<'a> {
    id: &'a str,
    name: &'a str,
    note: &'a str,
    state: RunState,
    plan: &'a SimulationPlan,
    started_at: &'a str,
    lanes: Vec<ExportedLane<'a>>,
    events: &'a [RunEvent],
    paused_ms: u64,
    passed: Option<bool>,
    failure: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedLane<'a> {
    strategy: StrategyKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    writers: Option<Writers>,
    product_name: &'a str,
    stock: i64,
    samples: Vec<Point>,
    latency_ms: LatencyMs,
    verdict: Option<&'a Verdict>,
}

impl<'a> From<&'a RunSnapshot> for ExportedRun<'a> {
    fn from(run: &'a RunSnapshot) -> Self {
        // Without `..`, so that a new field cannot be forgotten.
        let RunSnapshot {
            id,
            name,
            note,
            state,
            plan,
            started_at,
            lanes,
            events,
            paused_ms,
            passed,
            failure,
        } = run;
        Self {
            id,
            name,
            note,
            state: *state,
            plan,
            started_at,
            lanes: lanes.iter().map(ExportedLane::from).collect(),
            events,
            paused_ms: *paused_ms,
            passed: *passed,
            failure: failure.as_deref(),
        }
    }
}

impl<'a> From<&'a LaneSnapshot> for ExportedLane<'a> {
    fn from(lane: &'a LaneSnapshot) -> Self {
        let LaneSnapshot {
            strategy,
            writers,
            product_name,
            stock,
            samples,
            latency_ms,
            verdict,
        } = lane;
        Self {
            strategy: *strategy,
            writers: *writers,
            product_name,
            stock: *stock,
            samples: samples.iter().map(Point::from).collect(),
            latency_ms: *latency_ms,
            verdict: verdict.as_ref(),
        }
    }
}

/// Writes the whole file: the plan, all samples, and the verdicts. `exported_at` is in RFC 3339.
pub fn json(run: &RunSnapshot, exported_at: &str) -> serde_json::Result<String> {
    let export = Export {
        format: FORMAT,
        version: VERSION,
        doorbuster: env!("CARGO_PKG_VERSION"),
        exported_at,
        run: run.into(),
    };
    Ok(serde_json::to_string_pretty(&export)? + "\n")
}
