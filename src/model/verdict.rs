//! The verdict on a lane, computed from the database after the last attempt has ended.

use serde::{Deserialize, Serialize};

use super::{StrategyKey, plan::ThresholdResult};

/// The mean and percentiles of the attempts' latency, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyMs {
    /// The average; 0 in a run from before it was measured.
    #[serde(default)]
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// The parts of the attempts' time, in milliseconds. The averages add up to the mean latency. Older
/// stored verdicts have fewer parts; the time for Redis was a part of `queue_wait`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeSplitMs {
    /// Waiting for a connection.
    pub pool_wait: f64,
    /// Waiting in the server's memory: for a mutex, a batch, or an answer that buyers share.
    pub queue_wait: f64,
    /// Waiting for Redis: for its answers, and for a lock there.
    pub redis: f64,
    /// In the statements that take row locks.
    pub lock_wait: f64,
    /// In all other statements; over HTTP, waiting for the server.
    pub execute: f64,
    /// In the race window, or frozen by a fault.
    pub pause: f64,
    /// In COMMIT.
    pub commit: f64,
    /// Waiting for the payment provider.
    pub payment: f64,
    /// Pausing before a retry.
    pub backoff: f64,
    /// The rest of the latency, such as a task that waits for a processor.
    pub other: f64,
}

impl TimeSplitMs {
    /// Creates a split from its parts, in the order of the fields.
    pub const fn of(parts: [f64; 10]) -> Self {
        let [
            pool_wait,
            queue_wait,
            redis,
            lock_wait,
            execute,
            pause,
            commit,
            payment,
            backoff,
            other,
        ] = parts;
        Self {
            pool_wait,
            queue_wait,
            redis,
            lock_wait,
            execute,
            pause,
            commit,
            payment,
            backoff,
            other,
        }
    }

    /// The parts with their short names, in the order of the fields.
    pub const fn parts(&self) -> [(&'static str, f64); 10] {
        [
            ("connection", self.pool_wait),
            ("queue", self.queue_wait),
            ("redis", self.redis),
            ("lock", self.lock_wait),
            ("statements", self.execute),
            ("pause", self.pause),
            ("commit", self.commit),
            ("payment", self.payment),
            ("backoff", self.backoff),
            ("other", self.other),
        ]
    }

    /// The sum of all parts.
    pub fn total(&self) -> f64 {
        self.parts().iter().map(|(_, ms)| ms).sum()
    }
}

/// What happened between the nodes of a cluster while a lane wrote to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFigures {
    /// The nodes to which the buyers wrote.
    pub nodes: u32,
    pub node_names: Vec<String>,
    /// Transactions that failed at COMMIT, because another node had changed the same row before.
    pub certification_failures: u64,
    /// Transactions that a node rolled back before COMMIT, because a change of another node needed
    /// the row that they had locked.
    pub rolled_back: u64,
}

impl ClusterFigures {
    /// All transactions that failed because of another node.
    pub const fn conflicts(&self) -> u64 {
        self.certification_failures + self.rolled_back
    }
}

/// The result of a lane. The buyers count attempts; units come from the database. This is also the
/// object that `doorbuster simulate --json` prints, hence the snake case. Older stored verdicts
/// lack the fields that have a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub strategy: StrategyKey,
    pub safe: bool,
    pub seed: u64,
    pub buyers: u32,
    /// Units at the start.
    pub stock: i64,
    /// Units per attempt; the maximum of a range.
    pub quantity: u32,
    /// The minimum of a range; `None` if the quantity is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity_min: Option<u32>,
    pub rounds: u32,
    pub attempts: u64,
    /// Attempts that placed an order. If an attempt had no response, the database was queried.
    pub succeeded: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Failed attempts that were interrupted on purpose.
    #[serde(default)]
    pub cut_off: u64,
    /// Double clicks whose two responses did not name the same order. Must be 0.
    #[serde(default)]
    pub contradicted: u64,
    /// Retries inside attempts.
    pub retries: u64,
    /// How often the row took over, because a strategy had used up its retries or Redis was
    /// unavailable.
    #[serde(default)]
    pub fallbacks: u64,
    /// Units on the run's order lines.
    pub sold: i64,
    /// Units requested by the successful attempts; `sold` must be equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<i64>,
    /// Units of the same product sold to others during the run; 0 on a private lane.
    pub sold_to_others: i64,
    /// Units reserved during the run and still held: by shoppers, or by buyers who abandoned their
    /// cart.
    #[serde(default)]
    pub held: i64,
    /// Available units in the stock row.
    pub remaining: i64,
    /// Units sold beyond the stock at the start.
    pub oversold: i64,
    /// Remaining units that would have covered the whole quantity of a rejected buyer.
    pub undersold: i64,
    /// True if the server was killed during the run. Orders and units were counted in the database
    /// afterwards; undersold units, latencies and thresholds are not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counted_afterwards: bool,
    pub elapsed_ms: u64,
    /// Orders per second.
    pub orders_per_second: f64,
    pub latency_ms: LatencyMs,
    /// Averages over all attempts.
    pub time_split_ms: TimeSplitMs,
    /// The 99th percentile of each part.
    #[serde(default)]
    pub time_split_p99_ms: TimeSplitMs,
    #[serde(default)]
    pub thresholds: Vec<ThresholdResult>,
    /// `None` unless the plan chose the writer nodes of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterFigures>,
}

impl Verdict {
    /// True if nothing was oversold or undersold, and stock covers every successful order.
    pub fn invariants_held(&self) -> bool {
        self.oversold == 0
            && self.undersold == 0
            && self.contradicted == 0
            && self.sold == self.promised()
            && self.remaining == self.stock - self.sold - self.sold_to_others - self.held
    }

    /// True if all invariants and thresholds held.
    pub fn passed(&self) -> bool {
        !self.counted_afterwards && !self.has_failed()
    }

    /// True if an invariant or a threshold did not hold, as far as is known.
    pub fn has_failed(&self) -> bool {
        !self.invariants_held() || self.thresholds.iter().any(|threshold| !threshold.held)
    }

    /// The undersold units; `None` if they are not known.
    pub fn known_undersold(&self) -> Option<i64> {
        (!self.counted_afterwards).then_some(self.undersold)
    }

    fn promised(&self) -> i64 {
        self.promised.unwrap_or_else(|| {
            let units = self.succeeded.saturating_mul(self.quantity.into());
            i64::try_from(units).unwrap_or(i64::MAX)
        })
    }
}

#[cfg(test)]
impl Verdict {
    /// 20 units, 33 buyers, all invariants hold.
    pub fn example() -> Self {
        Self {
            strategy: StrategyKey::RowLock,
            safe: true,
            seed: 42,
            buyers: 33,
            stock: 20,
            quantity: 1,
            quantity_min: None,
            rounds: 1,
            attempts: 33,
            succeeded: 20,
            rejected: 13,
            failed: 0,
            cut_off: 0,
            contradicted: 0,
            retries: 0,
            fallbacks: 0,
            sold: 20,
            promised: Some(20),
            sold_to_others: 0,
            held: 0,
            remaining: 0,
            oversold: 0,
            undersold: 0,
            counted_afterwards: false,
            elapsed_ms: 1_000,
            orders_per_second: 20.0,
            latency_ms: LatencyMs::default(),
            time_split_ms: TimeSplitMs::default(),
            time_split_p99_ms: TimeSplitMs::default(),
            thresholds: Vec::new(),
            cluster: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_invariant_fails_the_verdict() {
        assert!(Verdict::example().passed());
        let breaks: [fn(&mut Verdict); 6] = [
            |verdict| verdict.oversold = 1,
            |verdict| verdict.undersold = 1,
            |verdict| verdict.contradicted = 1,
            |verdict| verdict.promised = Some(19),
            |verdict| verdict.remaining = 1,
            |verdict| verdict.held = 1,
        ];
        for (number, break_it) in breaks.into_iter().enumerate() {
            let mut verdict = Verdict::example();
            break_it(&mut verdict);
            assert!(!verdict.invariants_held() && !verdict.passed(), "{number}");
        }
    }

    #[test]
    fn a_missed_threshold_fails_a_lane_whose_invariants_hold() {
        let threshold = |held| ThresholdResult {
            name: "failed".to_owned(),
            limit: 0,
            measured: 0.0,
            held,
        };
        let mut verdict = Verdict::example();
        verdict.thresholds = vec![threshold(true)];
        assert!(verdict.passed());
        verdict.thresholds.push(threshold(false));
        assert!(verdict.invariants_held() && !verdict.passed());
    }

    #[test]
    fn a_verdict_that_was_counted_afterwards_neither_passes_nor_counts_undersold_units() {
        let mut verdict = Verdict::example();
        assert_eq!(verdict.known_undersold(), Some(0));
        verdict.counted_afterwards = true;
        assert!(!verdict.passed() && !verdict.has_failed());
        assert_eq!(verdict.known_undersold(), None);
        verdict.oversold = 1;
        assert!(verdict.has_failed());
        let printed = serde_json::to_value(Verdict::example()).expect("JSON");
        assert_eq!(
            printed.get("counted_afterwards"),
            None,
            "the contract of --json"
        );
    }

    #[test]
    fn an_older_verdict_without_promised_units_uses_the_quantity() {
        let mut verdict = Verdict::example();
        verdict.promised = None;
        assert!(verdict.invariants_held());
        verdict.quantity = 2;
        assert!(!verdict.invariants_held());
    }
}
