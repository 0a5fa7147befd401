//! What the database says about a lane when its last buyer has been served.

use serde::{Deserialize, Serialize};

use super::{StrategyKey, plan::ThresholdResult};

/// Quantiles of the time one attempt takes, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyMs {
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Where the time of attempts goes, in milliseconds: waiting for a connection, in the statement that takes the row lock, in the
/// other statements, and in COMMIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeSplitMs {
    pub pool_wait: f64,
    pub lock_wait: f64,
    pub execute: f64,
    pub commit: f64,
}

/// The result of a lane. Calls are counted by the buyers; units come from the database. This is also the object that
/// `doorbuster simulate --json` prints, hence the snake case. Verdicts that were stored before there were lanes lack what has a
/// default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub strategy: StrategyKey,
    pub safe: bool,
    pub seed: u64,
    pub buyers: u32,
    /// Units at the start.
    pub stock: i64,
    /// Units that each attempt asked for; of a range, the most.
    pub quantity: u32,
    /// Of a range, the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity_min: Option<u32>,
    pub rounds: u32,
    pub attempts: u64,
    /// Attempts that came to an order. Where no answer told, the database was asked.
    pub succeeded: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Of those that failed, the ones that were cut off on purpose.
    #[serde(default)]
    pub cut_off: u64,
    /// Double clicks whose two answers named no order in common. It must be 0.
    #[serde(default)]
    pub contradicted: u64,
    /// Extra tries inside attempts.
    pub retries: u64,
    /// How often a strategy had used up its tries, and the row lock took over.
    #[serde(default)]
    pub fallbacks: u64,
    /// Units on the run's order lines.
    pub sold: i64,
    /// Units that the attempts which succeeded asked for: what `sold` must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<i64>,
    /// Units that others bought of the same product meanwhile; 0 on a private lane.
    pub sold_to_others: i64,
    /// Units that came to be set aside meanwhile, and still are: by shoppers, or by buyers who left their cart behind.
    #[serde(default)]
    pub held: i64,
    /// Units left by the stock row.
    pub remaining: i64,
    /// Units sold beyond the stock at the start.
    pub oversold: i64,
    /// Units left for which a refused buyer's whole quantity would have fitted.
    pub undersold: i64,
    pub elapsed_ms: u64,
    /// Successes a second.
    pub orders_per_second: f64,
    pub latency_ms: LatencyMs,
    /// Of an average attempt.
    pub time_split_ms: TimeSplitMs,
    /// The 99th percentile of each part by itself.
    #[serde(default)]
    pub time_split_p99_ms: TimeSplitMs,
    #[serde(default)]
    pub thresholds: Vec<ThresholdResult>,
}

impl Verdict {
    /// True when nothing was oversold or undersold, and each success is an order that stock covers.
    pub fn invariants_held(&self) -> bool {
        self.oversold == 0
            && self.undersold == 0
            && self.contradicted == 0
            && self.sold == self.promised()
            && self.remaining == self.stock - self.sold - self.sold_to_others - self.held
    }

    /// True when all invariants and thresholds held.
    pub fn passed(&self) -> bool {
        self.invariants_held() && self.thresholds.iter().all(|threshold| threshold.held)
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
    /// 20 units, 33 buyers, all as it should be.
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
            elapsed_ms: 1_000,
            orders_per_second: 20.0,
            latency_ms: LatencyMs::default(),
            time_split_ms: TimeSplitMs::default(),
            time_split_p99_ms: TimeSplitMs::default(),
            thresholds: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invariant_counts() {
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
    fn a_missed_threshold_fails_a_lane_that_is_sound() {
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
    fn a_success_of_an_older_verdict_is_worth_its_quantity() {
        let mut verdict = Verdict::example();
        verdict.promised = None;
        assert!(verdict.invariants_held());
        verdict.quantity = 2;
        assert!(!verdict.invariants_held());
    }
}
