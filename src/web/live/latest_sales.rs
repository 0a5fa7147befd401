//! The sales of watched products, and the database's clock, as the latest reads showed them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A slower read tells the time too vaguely to replace a clock that is younger than
/// [`CLOCK_MAX_AGE`].
const QUICK_READ: Duration = Duration::from_millis(50);
const CLOCK_MAX_AGE: Duration = Duration::from_secs(5);

/// A sale as a line of the stream; its clones share the text.
pub type SaleLine = Arc<str>;

/// See the module's documentation. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct LatestSales(Arc<Mutex<Latest>>);

#[derive(Debug, Default)]
struct Latest {
    /// By product, with the database's time of the read.
    lines: HashMap<i64, (i64, SaleLine)>,
    clock: Option<Clock>,
}

/// The database's time at a moment of this process.
#[derive(Clone, Copy, Debug)]
struct Clock {
    read_at: Instant,
    now_ms: i64,
}

impl LatestSales {
    /// Stores the lines of a read that began at `asked_at`, when the database's clock showed
    /// `now_ms`. Returns true if a line is new. A line of an older read is dropped.
    pub fn store(&self, asked_at: Instant, now_ms: i64, lines: Vec<(i64, String)>) -> bool {
        let mut latest = self.lock();
        latest.set_clock(asked_at, now_ms);
        let mut has_changed = false;
        for (product_id, line) in lines {
            match latest.lines.get_mut(&product_id) {
                Some((read_at_ms, _)) if *read_at_ms > now_ms => {}
                Some((read_at_ms, known)) if **known == *line => *read_at_ms = now_ms,
                _ => {
                    latest.lines.insert(product_id, (now_ms, line.into()));
                    has_changed = true;
                }
            }
        }
        has_changed
    }

    /// Returns the lines of `product_ids`, in their order, without unknown products.
    pub fn lines(&self, product_ids: &[i64]) -> Vec<(i64, SaleLine)> {
        let latest = self.lock();
        product_ids
            .iter()
            .filter_map(|id| Some((*id, Arc::clone(&latest.lines.get(id)?.1))))
            .collect()
    }

    /// Returns the database's time, in milliseconds: never ahead of it, and behind it by at most
    /// the duration of a read. `None` before the first read.
    pub fn now_ms(&self) -> Option<i64> {
        self.lock().clock.map(|clock| {
            let passed = clock.read_at.elapsed().as_millis();
            clock
                .now_ms
                .saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    fn set_clock(&mut self, asked_at: Instant, now_ms: i64) {
        let is_quick = asked_at.elapsed() <= QUICK_READ;
        let is_old = self
            .clock
            .is_none_or(|clock| clock.read_at.elapsed() > CLOCK_MAX_AGE);
        if is_quick || is_old {
            self.clock = Some(Clock {
                read_at: Instant::now(),
                now_ms,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newer_and_different_line_is_new() {
        let latest = LatestSales::default();
        let store =
            |now_ms, line: &str| latest.store(Instant::now(), now_ms, vec![(1, line.to_owned())]);
        assert!(store(10, "a"));
        assert!(!store(20, "a"));
        assert!(!store(15, "b"), "an older read than the latest");
        assert!(store(21, "c"));
        let lines = latest.lines(&[2, 1]);
        assert_eq!(lines, [(1, SaleLine::from("c"))]);
    }

    #[test]
    fn a_slow_read_does_not_set_the_clock_back() {
        let latest = LatestSales::default();
        assert_eq!(latest.now_ms(), None);
        let Some(long_ago) = Instant::now().checked_sub(Duration::from_secs(1)) else {
            return;
        };
        latest.store(long_ago, 1_000, Vec::new());
        let first = latest.now_ms().unwrap_or_default();
        assert!((1_000..60_000).contains(&first), "{first}");
        latest.store(Instant::now(), 100_000, Vec::new());
        latest.store(long_ago, 99_000, Vec::new());
        let now_ms = latest.now_ms().unwrap_or_default();
        assert!((100_000..160_000).contains(&now_ms), "{now_ms}");
    }
}
