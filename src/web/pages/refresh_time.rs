//! When a page without JavaScript loads again by itself: at the start or the end of a sale.

use crate::model::SalePlan;

/// A page is loaded again after this long at the latest, because a plan may change. In seconds.
const REFRESH_S_MAX: u64 = 3_600;
/// The pages that wait for one start come within this many seconds after it, not all at once.
const SPREAD_S: u64 = 2;

/// Returns the seconds after which a page that shows sales loads again; `None` if none of them will
/// start or end after `now_ms`.
pub fn seconds_until_change(plans: impl IntoIterator<Item = SalePlan>, now_ms: i64) -> Option<u64> {
    let seconds = whole_seconds(plans, now_ms)?;
    if seconds >= REFRESH_S_MAX {
        return Some(REFRESH_S_MAX);
    }
    Some(seconds + rand::random_range(0..=SPREAD_S))
}

/// Returns the seconds until the next start or end, rounded up.
fn whole_seconds(plans: impl IntoIterator<Item = SalePlan>, now_ms: i64) -> Option<u64> {
    plans
        .into_iter()
        .flat_map(|plan| [plan.starts_at_ms, plan.ends_at_ms])
        .flatten()
        .filter(|at_ms| *at_ms > now_ms)
        .min()
        .map(|at_ms| at_ms.abs_diff(now_ms).div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(starts_at_ms: Option<i64>, ends_at_ms: Option<i64>) -> SalePlan {
        SalePlan {
            starts_at_ms,
            ends_at_ms,
        }
    }

    #[test]
    fn the_next_start_or_end_decides() {
        let now_ms = 10_000;
        for (plans, expected) in [
            (vec![], None),
            (
                vec![plan(None, None), plan(Some(9_000), Some(10_000))],
                None,
            ),
            (vec![plan(Some(10_001), None)], Some(1)),
            (vec![plan(Some(12_500), Some(20_000))], Some(3)),
            (
                vec![plan(Some(30_000), None), plan(None, Some(15_000))],
                Some(5),
            ),
            (
                vec![plan(Some(i64::MAX), None)],
                Some(9_223_372_036_854_766),
            ),
        ] {
            assert_eq!(whole_seconds(plans, now_ms), expected);
        }
    }

    #[test]
    fn pages_come_shortly_after_the_start_and_at_least_every_hour() {
        let seconds = |start_ms| seconds_until_change([plan(Some(start_ms), None)], 0);
        for _ in 0..50 {
            let soon = seconds(10_000).unwrap_or_default();
            assert!((10..=12).contains(&soon), "{soon}");
        }
        assert_eq!(seconds(100_000_000), Some(3_600));
        assert_eq!(seconds_until_change([], 0), None);
    }
}
