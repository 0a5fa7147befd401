//! pgbench, sending the very statements that the shop sends: what PostgreSQL gives to a program that does nothing else.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use doorbuster::model::StrategyKey;
use tokio::process::Command;

use crate::{Failure, lane::Lane};

/// The first second goes into preparing every statement on every connection, and the last may be cut short: neither is counted.
const UNCOUNTED_S: u64 = 2;

/// Why pgbench cannot play a strategy, for those that live in more than their statements.
pub fn no_equal(strategy: StrategyKey) -> Option<&'static str> {
    match strategy.as_str() {
        "optimistic" | "row-lock-nowait" => Some("its retries are the application's"),
        "micro-batch" => Some("its batches are formed in the application"),
        "skip-locked-units" | "buckets" => Some("the application chooses the row"),
        "process-mutex" => Some("its lock is the application's"),
        key if key.starts_with("redis") => Some("it asks Redis first"),
        _ => None,
    }
}

/// What pgbench reported.
#[derive(Debug, PartialEq)]
pub struct Answers {
    /// Within the seconds that count.
    pub per_second: f64,
    /// From the first moment to the last.
    pub transactions: u64,
}

/// Runs `script` from `clients` connections, and counts `time`, in whole seconds.
pub async fn run(
    url: &str,
    script: &Path,
    lane: Lane,
    clients: u32,
    time: Duration,
) -> Result<Answers, Failure> {
    let counted_s = time.as_secs().max(1);
    let output = Command::new(program())
        .args(["--no-vacuum", "--protocol=prepared", "--max-tries=0"])
        .arg(format!("--client={clients}"))
        .arg(format!("--jobs={}", clients.min(threads())))
        .arg(format!("--time={}", counted_s + UNCOUNTED_S))
        .arg("--progress=1")
        .arg(format!("--define=product_id={}", lane.product_id))
        .arg(format!("--define=lane_id={}", lane.id))
        .arg("--file")
        .arg(script)
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("pgbench: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || complaint.contains("ERROR") {
        return Err(format!("pgbench: {}", complaint.trim()).into());
    }
    let answers = rate(&complaint, counted_s).zip(transactions(&text));
    let (per_second, transactions) =
        answers.ok_or_else(|| format!("pgbench said something unknown: {complaint}{text}"))?;
    Ok(Answers {
        per_second,
        transactions,
    })
}

/// A thread for each core, as its manual advises.
fn threads() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// Beside the server's programs, or wherever PATH finds it.
fn program() -> PathBuf {
    let named = std::env::var_os("DOORBUSTER_POSTGRES_BIN").map(PathBuf::from);
    let beside = named.map(|folder| folder.join("pgbench"));
    beside
        .filter(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from("pgbench"))
}

/// The mean of the seconds that count, from lines such as `progress: 2.0 s, 1490.2 tps, lat 42.9 ms …`.
fn rate(progress: &str, counted_s: u64) -> Option<f64> {
    let seconds = progress.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
        rest.split_once(" tps")?.0.parse::<f64>().ok()
    });
    let counted: Vec<f64> = seconds
        .skip(1)
        .take(usize::try_from(counted_s).ok()?)
        .collect();
    let length = u32::try_from(counted.len()).ok()?;
    (u64::from(length) == counted_s).then(|| counted.iter().sum::<f64>() / f64::from(length))
}

fn transactions(report: &str) -> Option<u64> {
    let words = "number of transactions actually processed:";
    let line = report.lines().find_map(|line| line.strip_prefix(words))?;
    line.trim().split(['/', ' ']).next()?.parse().ok()
}
