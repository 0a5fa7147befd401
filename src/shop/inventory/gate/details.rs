//! What is in Redis about one product beside the level of its gate: leases, the lock, and a refusal
//! that is repeated. For operators; no purchase reads it.

use std::fmt;

use serde::Serialize;

use super::{StockGate, scripts::DETAILS};
use crate::redis::Unavailable;

/// The most leases that are listed.
pub const LEASES_LISTED_MAX: i64 = 100;

/// What is in Redis about one product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GateDetails {
    /// The number of leases, also of those that have run out and are not removed yet.
    pub leases_total: i64,
    /// Those that run out first, at most [`LEASES_LISTED_MAX`].
    pub leases: Vec<Lease>,
    /// `None` if the lock is free.
    pub lock: Option<LockHolder>,
    /// The fencing token of the last holder of the lock; `None` if Redis has forgotten it.
    pub last_token: Option<i64>,
    pub refusal: Option<RefusalMark>,
}

/// Units that are leased to a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lease {
    pub units: i64,
    /// The key of the purchase.
    pub key: String,
    /// Negative if it has run out.
    pub ends_in_ms: i64,
}

/// Who has the lock of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockHolder {
    pub id: String,
    /// Negative if the lock has no end, because another program has written it.
    pub ends_in_ms: i64,
}

/// A refusal of the row that the gate may still repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalMark {
    pub available: i64,
    pub version: i64,
    pub age_ms: i64,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            units,
            key,
            ends_in_ms,
        } = self;
        write!(f, "{units} units for {key}, for {ends_in_ms} ms more")
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held by {}, for {} ms more", self.id, self.ends_in_ms)
    }
}

impl fmt::Display for RefusalMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} available at version {}, {} ms ago",
            self.available, self.version, self.age_ms
        )
    }
}

/// The answer of the script, in its order.
type Answer = (i64, Vec<String>, i64, String, String, i64, String);

impl GateDetails {
    fn of((now_ms, leases, leases_total, refusal, holder, ends_in_ms, token): Answer) -> Self {
        Self {
            leases_total,
            leases: leases.chunks_exact(2).filter_map(lease).collect(),
            lock: (!holder.is_empty()).then_some(LockHolder {
                id: holder,
                ends_in_ms,
            }),
            last_token: token.parse().ok(),
            refusal: mark(&refusal, now_ms),
        }
    }
}

/// Reads the member of a lease, `units:key`, and its time.
fn lease(pair: &[String]) -> Option<Lease> {
    let [member, ends_in_ms] = pair else {
        return None;
    };
    let (units, key) = member.split_once(':')?;
    Some(Lease {
        units: units.parse().ok()?,
        key: key.to_owned(),
        ends_in_ms: ends_in_ms.parse().ok()?,
    })
}

/// Reads a refusal, `available:version:time`.
fn mark(refusal: &str, now_ms: i64) -> Option<RefusalMark> {
    let (available, rest) = refusal.split_once(':')?;
    let (version, at_ms) = rest.split_once(':')?;
    let at_ms: i64 = at_ms.parse().ok()?;
    Some(RefusalMark {
        available: available.parse().ok()?,
        version: version.parse().ok()?,
        age_ms: now_ms.saturating_sub(at_ms),
    })
}

impl StockGate {
    /// Reads what is in Redis about a product, whether it has a gate or not.
    pub async fn details(&self, product_id: i64) -> Result<GateDetails, Unavailable> {
        let keys = &self.0.keys;
        let keys: Vec<String> = keys
            .of_gate(product_id)
            .into_iter()
            .chain(keys.of_lock(product_id))
            .collect();
        let arguments = [LEASES_LISTED_MAX.to_string()];
        let answer: Answer = self.0.redis.run(&DETAILS, &keys, &arguments).await?;
        Ok(GateDetails::of(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_what_does_not_exist() {
        let empty = String::new;
        let nothing = GateDetails::of((9, Vec::new(), 0, empty(), empty(), -2, empty()));
        assert_eq!(nothing, GateDetails::default());
    }

    #[test]
    fn leases_lock_and_refusal_are_read() {
        let texts = ["2:a:key", "900", "not a lease", "5"].map(ToOwned::to_owned);
        let [refusal, holder, token] = ["-1:7:1000", "a holder", "12"].map(ToOwned::to_owned);
        let details = GateDetails::of((1_040, texts.into(), 3, refusal, holder, 800, token));
        let lease = Lease {
            units: 2,
            key: "a:key".to_owned(),
            ends_in_ms: 900,
        };
        assert_eq!((details.leases_total, details.leases), (3, vec![lease]));
        assert_eq!(
            details.lock.map(|lock| lock.to_string()).as_deref(),
            Some("held by a holder, for 800 ms more")
        );
        assert_eq!(details.last_token, Some(12));
        assert_eq!(
            details.refusal.map(|mark| mark.to_string()).as_deref(),
            Some("-1 available at version 7, 40 ms ago")
        );
    }
}
