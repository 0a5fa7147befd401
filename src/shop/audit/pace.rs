//! How fast a full audit reads: how much at once, and how long it pauses in between.

use std::time::Duration;

/// An audit does not pause before it has worked for this long: a small shop is audited without a
/// pause.
const FREE: Duration = Duration::from_millis(250);
/// The longest pause, so that one slow part does not stop the audit for long.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The limits of the parts, the snapshots and the pauses of a full audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The fewest and the most rows of a part.
    rows: (u64, u64),
    /// The most movements that are read together with the stock rows. If more are left, they are
    /// read in parts first.
    pub(super) tail: u64,
    /// How long a part should take. The rows of the next part follow from it.
    part: Duration,
    /// A snapshot that was open for this long ends with its part.
    snapshot: Duration,
    /// The pause after a snapshot, as a multiple of the time that its parts took.
    pauses: u32,
}

impl Pace {
    /// Beside a sale: it works for at most a fifth of the time.
    ///
    /// A snapshot is open for about a tenth of a second. At 500 orders a second, this keeps about
    /// 50 versions of a hot stock row, which fit on its page. A purchase that meets a part waits
    /// for a processor no longer than for a few other purchases. With more rows in a part,
    /// PostgreSQL could prefer to read a whole table for each of them.
    pub const GENTLE: Self = Self {
        rows: (50, 5_000),
        tail: 10_000,
        part: Duration::from_millis(50),
        snapshot: Duration::from_millis(50),
        pauses: 4,
    };

    /// Without a pause. A snapshot is still open for less than a second.
    pub const FAST: Self = Self {
        rows: (50, 20_000),
        tail: 10_000,
        part: Duration::from_millis(200),
        snapshot: Duration::from_millis(500),
        pauses: 0,
    };

    /// All parts in one snapshot, for a caller that has its own.
    pub(super) const ONE_SNAPSHOT: Self = Self {
        snapshot: Duration::MAX,
        ..Self::FAST
    };

    /// Parts of exactly this many rows, each in a snapshot of its own, without a pause.
    pub const fn in_parts_of(rows: u64) -> Self {
        Self {
            rows: (rows, rows),
            tail: rows,
            part: Duration::MAX,
            snapshot: Duration::ZERO,
            pauses: 0,
        }
    }

    /// The rows of the first part.
    pub(super) fn first_rows(&self) -> u64 {
        let (min, max) = self.rows;
        500_u64.clamp(min, max)
    }

    /// The rows of the part after one that had `rows` and took `took`. A part may be slow because
    /// of others, so it changes by a limited factor.
    pub(super) fn next_rows(&self, rows: u64, took: Duration) -> u64 {
        let (min, max) = self.rows;
        let took_us = took.as_micros().max(1);
        let fitting = u128::from(rows).saturating_mul(self.part.as_micros()) / took_us;
        let fitting = u64::try_from(fitting).unwrap_or(u64::MAX);
        let changed = fitting.clamp(rows / 4, rows.saturating_mul(2));
        changed.clamp(min, max)
    }

    /// True if a snapshot that was open for `open` should end.
    pub(super) fn is_over(&self, open: Duration) -> bool {
        open >= self.snapshot
    }

    /// The pause after a snapshot that took `took`, if the audit has worked for `worked` in all.
    pub(super) fn pause(&self, took: Duration, worked: Duration) -> Duration {
        if worked < FREE {
            return Duration::ZERO;
        }
        took.saturating_mul(self.pauses).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_size_of_a_part_follows_the_time_of_the_last_one() {
        let pace = Pace::GENTLE;
        for (rows, took, expected) in [
            (1_000, ms(50), 1_000),
            (1_000, ms(40), 1_250),
            (1_000, ms(100), 500),
            // Neither much larger nor much smaller at once.
            (1_000, ms(1), 2_000),
            (1_000, Duration::ZERO, 2_000),
            (1_000, ms(10_000), 250),
            // Never beyond the limits.
            (4_000, ms(1), 5_000),
            (60, ms(10_000), 50),
        ] {
            assert_eq!(pace.next_rows(rows, took), expected, "{rows} in {took:?}");
        }
    }

    #[test]
    fn a_fixed_size_stays() {
        let pace = Pace::in_parts_of(2);
        assert_eq!(pace.first_rows(), 2);
        for took in [Duration::ZERO, ms(1), ms(60_000)] {
            assert_eq!(pace.next_rows(2, took), 2);
        }
        assert!(pace.is_over(Duration::ZERO));
    }

    #[test]
    fn a_gentle_audit_works_for_a_fifth_of_the_time() {
        for took in [ms(1), ms(50), ms(90), ms(1_000)] {
            let pause = Pace::GENTLE.pause(took, FREE);
            assert_eq!(took + pause, took * 5);
        }
        assert_eq!(Pace::GENTLE.pause(ms(60_000), ms(60_000)), PAUSE_MAX);
    }

    #[test]
    fn a_small_shop_and_a_fast_audit_have_no_pause() {
        assert_eq!(Pace::GENTLE.pause(ms(60), ms(249)), Duration::ZERO);
        assert_eq!(Pace::FAST.pause(ms(1_000), ms(60_000)), Duration::ZERO);
        assert!(!Pace::ONE_SNAPSHOT.is_over(ms(3_600_000)));
    }

    #[test]
    fn a_snapshot_ends_after_its_time() {
        assert!(!Pace::GENTLE.is_over(ms(49)));
        assert!(Pace::GENTLE.is_over(ms(50)));
        assert!(Pace::FAST.is_over(ms(500)));
    }
}
