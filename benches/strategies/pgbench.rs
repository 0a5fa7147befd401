//! pgbench sending the same statements as the shop: the rate that PostgreSQL reaches for a program
//! that does nothing else.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use crate::{Failure, lane::Lane};

/// Seconds that are not counted: pgbench prepares every statement on every connection in the first
/// second, and may cut the last one short.
const UNCOUNTED_S: u64 = 2;

/// The rate that pgbench reported.
#[derive(Debug, PartialEq)]
pub struct PgbenchRate {
    /// Transactions per second, over the counted seconds.
    pub per_second: f64,
    /// All transactions, including those of the seconds that are not counted.
    pub transactions: u64,
}

/// Runs `script` from `clients` connections and measures for `time`, in whole seconds.
pub async fn run(
    url: &str,
    script: &Path,
    lane: Lane,
    clients: u32,
    time: Duration,
) -> Result<PgbenchRate, Failure> {
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
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || stderr.contains("ERROR") {
        return Err(format!("pgbench: {}", stderr.trim()).into());
    }
    let rates = rate(&stderr, counted_s).zip(transactions(&text));
    let (per_second, transactions) =
        rates.ok_or_else(|| format!("unexpected output of pgbench: {stderr}{text}"))?;
    Ok(PgbenchRate {
        per_second,
        transactions,
    })
}

/// One thread per core, as pgbench's manual advises.
fn threads() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// The pgbench of `DOORBUSTER_POSTGRES_BIN`, or the one on PATH.
fn program() -> PathBuf {
    let folder = std::env::var_os("DOORBUSTER_POSTGRES_BIN").map(PathBuf::from);
    let configured = folder.map(|folder| folder.join("pgbench"));
    configured
        .filter(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from("pgbench"))
}

/// Returns the mean over the counted seconds, from lines such as
/// `progress: 2.0 s, 1490.2 tps, lat 42.9 ms …`.
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
