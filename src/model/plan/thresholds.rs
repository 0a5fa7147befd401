//! Thresholds that a lane must meet to pass, in addition to its invariants.

use serde::{Deserialize, Serialize};

use crate::model::{ShopError, Verdict};

/// Thresholds that a lane must meet to pass. A threshold that is not set is not checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Thresholds {
    /// The 99th percentile of the latency, in milliseconds.
    pub p99_ms_max: Option<u32>,
    pub failed_max: Option<u32>,
    pub retries_max: Option<u32>,
    pub orders_per_second_min: Option<u32>,
}

/// A threshold and the measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// The name in commands.
    pub name: String,
    pub limit: u32,
    pub measured: f64,
    pub held: bool,
}

impl Thresholds {
    /// Their names in commands.
    pub const NAMES: [&str; 4] = ["p99-ms", "failed", "retries", "orders-per-second"];

    /// Compares each threshold that is set with the verdict's figures.
    #[expect(clippy::cast_precision_loss, reason = "calls are at most a million")]
    pub fn judge(self, verdict: &Verdict) -> Vec<ThresholdResult> {
        let at_most = |limit: Option<u32>, measured: f64| (limit, measured, false);
        let at_least = |limit: Option<u32>, measured: f64| (limit, measured, true);
        let judged = [
            at_most(self.p99_ms_max, verdict.latency_ms.p99),
            at_most(self.failed_max, verdict.failed as f64),
            at_most(self.retries_max, verdict.retries as f64),
            at_least(self.orders_per_second_min, verdict.orders_per_second),
        ];
        Self::NAMES
            .into_iter()
            .zip(judged)
            .filter_map(|(name, (limit, measured, least))| {
                let limit = limit?;
                let (low, high) = if least {
                    (f64::from(limit), measured)
                } else {
                    (measured, f64::from(limit))
                };
                Some(ThresholdResult {
                    name: name.to_owned(),
                    limit,
                    measured,
                    held: low <= high,
                })
            })
            .collect()
    }

    /// Parses `p99-ms=50,failed=0`.
    ///
    /// # Errors
    /// [`ShopError::Invalid`] that names the invalid part, or a threshold that has two limits.
    pub fn parse(typed: &str) -> Result<Self, ShopError> {
        let mut thresholds = Self::default();
        for part in typed.split(',') {
            let (name, limit) = part.split_once('=').ok_or_else(|| {
                ShopError::Invalid(format!("{part} must have the form threshold=number"))
            })?;
            let name = name.trim();
            let limit = limit.trim().parse().map_err(|_| {
                let max = u32::MAX;
                ShopError::Invalid(format!(
                    "{name} must be a whole number up to {max}, not {limit}"
                ))
            })?;
            if thresholds.field_mut(name)?.replace(limit).is_some() {
                return Err(ShopError::Invalid(format!(
                    "the threshold {name} is given twice; give it one limit"
                )));
            }
        }
        Ok(thresholds)
    }

    fn field_mut(&mut self, name: &str) -> Result<&mut Option<u32>, ShopError> {
        let [p99, failed, retries, rate] = Self::NAMES;
        match name {
            _ if name == p99 => Ok(&mut self.p99_ms_max),
            _ if name == failed => Ok(&mut self.failed_max),
            _ if name == retries => Ok(&mut self.retries_max),
            _ if name == rate => Ok(&mut self.orders_per_second_min),
            _ => Err(ShopError::Invalid(format!(
                "unknown threshold {name}; use {}",
                Self::NAMES.join(", ")
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_parsed_by_name() {
        assert_eq!(
            Thresholds::parse("p99-ms=50, orders-per-second=100"),
            Ok(Thresholds {
                p99_ms_max: Some(50),
                orders_per_second_min: Some(100),
                ..Thresholds::default()
            })
        );
        for typed in [
            "",
            "p99-ms",
            "p99-ms=",
            "p99-ms=-1",
            "p99-ms=fast",
            "luck=1",
            "failed=4294967296",
        ] {
            assert!(Thresholds::parse(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn a_threshold_with_two_limits_is_rejected() {
        let error = Thresholds::parse("failed=0,p99-ms=50,failed=9").err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("failed is given twice"), "{error}");
    }

    #[test]
    fn each_threshold_that_is_set_is_checked() {
        let mut verdict = Verdict::example();
        verdict.latency_ms.p99 = 50.0;
        verdict.failed = 1;
        verdict.retries = 7;
        verdict.orders_per_second = 99.9;
        let thresholds = Thresholds::parse("p99-ms=50,failed=0,retries=7,orders-per-second=100");
        let judged = thresholds.map(|thresholds| thresholds.judge(&verdict));
        let held = judged.map(|judged| {
            judged
                .into_iter()
                .map(|result| (result.name, result.held))
                .collect::<Vec<_>>()
        });
        let expected = [
            ("p99-ms", true),
            ("failed", false),
            ("retries", true),
            ("orders-per-second", false),
        ];
        assert_eq!(
            held,
            Ok(expected
                .map(|(name, held)| (name.to_owned(), held))
                .to_vec())
        );
        assert_eq!(Thresholds::default().judge(&verdict), []);
    }
}
