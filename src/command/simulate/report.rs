//! The verdicts of a run, as text or JSON on standard output.

use std::{fmt::Display, process::ExitCode};

use doorbuster::model::{ClusterFigures, RunSnapshot, RunVerdict, Verdict};
use serde::Serialize;

use super::Arguments;
use crate::{CommandError, EXIT_BROKEN, command::output};

/// Prints the verdicts of a complete run. Returns the exit code.
pub fn report(end: &RunSnapshot, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let verdicts: Option<Vec<_>> = end.lanes.iter().map(|lane| lane.verdict.clone()).collect();
    let verdicts = verdicts.ok_or("the run ended without a verdict")?;
    // No invariant is violated if nothing was sold, but the run has measured nothing either.
    let all_failed =
        |verdict: &Verdict| verdict.failed == verdict.attempts && verdict.cut_off < verdict.failed;
    if verdicts.iter().all(all_failed) {
        return Err(if arguments.target.is_empty() {
            "every attempt failed; the warnings above have the first reasons"
        } else {
            "no target responded: check that a server with this database runs at each --target"
        }
        .into());
    }
    output::print(&if arguments.json {
        as_json(end, false)?
    } else {
        texts(end)
    })?;
    Ok(if verdicts.iter().all(Verdict::passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_BROKEN)
    })
}

/// Prints the verdicts so far of a run that a signal aborted; `None` if it had not started.
pub fn report_interrupted(end: Option<&RunSnapshot>, json: bool) -> Result<(), CommandError> {
    let Some(end) = end else {
        output::note("Interrupted before the simulation started.");
        return match json {
            true => output::print("{\n  \"interrupted\": true\n}\n"),
            false => Ok(()),
        };
    };
    output::note(format_args!(
        "Interrupted after {} of {} attempts. These are the results so far.",
        end.served(),
        end.plan.total_attempts()
    ));
    output::print(&if json {
        as_json(end, true)?
    } else {
        texts(end)
    })
}

/// Formats the verdict on each lane that has one.
fn texts(end: &RunSnapshot) -> String {
    let verdicts = end.lanes.iter().filter_map(|lane| lane.verdict.as_ref());
    verdicts
        .map(|verdict| as_text(verdict, end.plan.is_over_http()))
        .collect()
}

/// One JSON object: the verdict on a single lane, or the verdicts on several.
#[derive(Serialize)]
struct PrintedResult<T> {
    #[serde(flatten)]
    result: T,
    /// Left out if the run is complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
}

fn as_json(end: &RunSnapshot, interrupted: bool) -> Result<String, CommandError> {
    let single = match end.lanes.as_slice() {
        [lane] => lane.verdict.as_ref(),
        _ => None,
    };
    let text = match single {
        Some(result) => serde_json::to_string_pretty(&PrintedResult {
            result,
            interrupted,
        }),
        None => serde_json::to_string_pretty(&PrintedResult {
            result: RunVerdict::of(end),
            interrupted,
        }),
    };
    Ok(text? + "\n")
}

/// Formats a number with the singular or plural of its noun.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, one: &str, several: &str) -> String {
    let noun = if number == N::from(1) { one } else { several };
    format!("{number} {noun}")
}

/// Formats the verdict on a lane, one line for each kind of figure.
fn as_text(verdict: &Verdict, over_http: bool) -> String {
    let mut lines = vec![plan_line(verdict), calls_line(verdict, over_http)];
    if verdict.cut_off + verdict.contradicted > 0 {
        lines.push(format!(
            "faults    {} interrupted without an order, {} with contradictory responses",
            counted(verdict.cut_off, "attempt", "attempts"),
            counted(verdict.contradicted, "double click", "double clicks")
        ));
    }
    lines.push(format!(
        "units     {} sold, {} remaining, {} oversold, {} undersold",
        verdict.sold, verdict.remaining, verdict.oversold, verdict.undersold
    ));
    lines.push(format!(
        "speed     {} ms, {:.1} orders/s",
        verdict.elapsed_ms, verdict.orders_per_second
    ));
    lines.extend(verdict.cluster.as_ref().map(nodes_line));
    let latency = verdict.latency_ms;
    lines.push(format!(
        "latency   p50 {} · p90 {} · p95 {} · p99 {} · max {} ms",
        latency.p50, latency.p90, latency.p95, latency.p99, latency.max
    ));
    let parts = verdict.time_split_ms.parts().into_iter();
    let parts: Vec<_> = parts
        .filter(|(_, ms)| *ms > 0.0)
        .map(|(name, ms)| format!("{name} {ms}"))
        .collect();
    lines.push(format!(
        "time      mean {} ms = {}",
        latency.mean,
        parts.join(" + ")
    ));
    for threshold in &verdict.thresholds {
        lines.push(format!(
            "threshold {} {}: {}, {}",
            threshold.name,
            threshold.limit,
            threshold.measured,
            if threshold.held { "held" } else { "missed" }
        ));
    }
    lines.join("\n") + "\n"
}

fn nodes_line(cluster: &ClusterFigures) -> String {
    format!(
        "nodes     {} written to ({}), {} failed at COMMIT, {} rolled back for another node",
        cluster.nodes,
        cluster.node_names.join(", "),
        counted(cluster.certification_failures, "try", "tries"),
        counted(cluster.rolled_back, "try", "tries"),
    )
}

fn plan_line(verdict: &Verdict) -> String {
    let quantity = match verdict.quantity_min {
        Some(min) => format!("{min}..{}", verdict.quantity),
        None => verdict.quantity.to_string(),
    };
    format!(
        "{} ({}), {}, {} in stock, quantity {quantity}, {}, seed {}",
        verdict.strategy,
        verdict.strategy.safety(),
        counted(verdict.buyers, "buyer", "buyers"),
        verdict.stock,
        counted(verdict.rounds, "round", "rounds"),
        verdict.seed
    )
}

fn calls_line(verdict: &Verdict, over_http: bool) -> String {
    let repeated = if over_http {
        // A server does not report its retries and fallbacks.
        counted(verdict.retries, "repeated request", "repeated requests")
    } else {
        format!(
            "{}, {}",
            counted(verdict.retries, "retry", "retries"),
            counted(verdict.fallbacks, "fallback", "fallbacks")
        )
    };
    format!(
        "calls     {} succeeded, {} rejected, {} failed of {}, {repeated}",
        verdict.succeeded,
        verdict.rejected,
        verdict.failed,
        counted(verdict.attempts, "attempt", "attempts"),
    )
}
