//! The memory of ten thousand simulated buyers: the peak of the program's own memory, without the
//! database's.

use std::{process::Stdio, time::Duration};

use doorbuster::model::StrategyKey;
use tokio::time::interval;

use crate::{Failure, program};

/// Simulated buyers.
pub const BUYERS: u32 = 10_000;
/// How often the kernel is queried. The kernel tracks the peak itself, so only an increase in the
/// last interval can be missed.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Runs the simulation and returns its peak memory in megabytes.
pub async fn peak_mb(url: &str, strategy: StrategyKey) -> Result<f64, Failure> {
    let buyers = BUYERS.to_string();
    let mut child = program::command("simulate", url)?
        .args(["--strategy", strategy.as_str(), "--buyers", &buyers])
        .args(["--stock", &buyers, "--json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = child.id().ok_or("the program has no process id")?;
    let mut peak_kb = None;
    let mut every = interval(POLL_INTERVAL);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = every.tick() => peak_kb = read_peak_kb(pid).or(peak_kb),
        }
    };
    if !status.success() {
        return Err(format!("the simulation ended with {status}").into());
    }
    peak_kb
        .map(|kb| kb * 1_024.0 / 1_000_000.0)
        .ok_or_else(|| "this system does not report the peak memory of a process".into())
}

fn read_peak_kb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
