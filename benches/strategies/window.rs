//! The time in which something is measured.

use std::time::{Duration, Instant};

use serde::Serialize;

/// What happened in the measured time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Window {
    pub per_second: f64,
    /// The share of the processors' time that all programs of this machine used, from 0 to 1;
    /// `None` if the system does not report it.
    pub busy: Option<f64>,
}

/// Waits for `time`, and measures how much `count` grows.
pub async fn measure(time: Duration, count: impl Fn() -> u64) -> Window {
    let (before, ticks, start) = (count(), Ticks::read(), Instant::now());
    tokio::time::sleep(time).await;
    let (after, elapsed) = (count(), start.elapsed());
    let busy = ticks.zip(Ticks::read());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let counted = (after - before) as f64;
    Window {
        per_second: counted / elapsed.as_secs_f64(),
        busy: busy.and_then(|(first, last)| last.busy_since(&first)),
    }
}

/// The time of all processors since the start of the system.
struct Ticks {
    idle: u64,
    total: u64,
}

impl Ticks {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// Reads the first line: user, nice, system, idle, iowait, irq, softirq and steal. The times of
    /// guests, which follow, are part of the first two.
    fn parse(stat: &str) -> Option<Self> {
        let times = stat.lines().next()?.strip_prefix("cpu ")?;
        let times: Vec<u64> = times
            .split_whitespace()
            .take(8)
            .map_while(|ticks| ticks.parse().ok())
            .collect();
        Some(Self {
            idle: times.get(3)? + times.get(4)?,
            total: times.iter().sum(),
        })
    }

    fn busy_since(&self, first: &Self) -> Option<f64> {
        let total = self.total.checked_sub(first.total)?;
        let idle = self.idle.checked_sub(first.idle)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let idle_share = idle as f64 / total as f64;
        (total > 0).then_some(1.0 - idle_share)
    }
}
