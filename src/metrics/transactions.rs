//! What transactions cost, by their names.

use std::{sync::OnceLock, time::Duration};

use opentelemetry::trace::TraceId;

use super::{Counter, Histogram, position_of};

/// More than the program has names of transactions. Further names would be counted together.
const NAMES_MAX: usize = 128;
/// The name of all transactions beyond [`NAMES_MAX`].
const OTHERS: &str = "others";

/// Why an attempt was rolled back, as a label: an SQLSTATE in PostgreSQL's codes, whatever the
/// engine, or what was not an error of the database. The last one is the label of all others.
pub const ROLLBACKS: [&str; 25] = [
    "40001", DEADLOCK, "55P03", "23505", "23503", "23514", "22003", "25P03", "25P04", "25006",
    DISK_FULL, "53200", "53300", "57014", "57P01", "57P02", "57P03", CONNECTION, RULE, CONFLICT,
    DEADLINE, UNKNOWN, PANIC, "XX000", "other",
];

/// The database ended a circle of transactions that waited for each other.
pub const DEADLOCK: &str = "40P01";
/// The disk of the database is full.
pub const DISK_FULL: &str = "53100";
/// The database could not be reached, or the connection was lost.
pub const CONNECTION: &str = "08006";
/// A rule of the shop refused the request; the database had no part in it.
pub const RULE: &str = "rule";
/// Another transaction had changed the rows that were read.
pub const CONFLICT: &str = "conflict";
/// The deadline of the transaction passed.
pub const DEADLINE: &str = "deadline";
/// The connection was lost during COMMIT: perhaps it was committed.
pub const UNKNOWN: &str = "unknown";
pub const PANIC: &str = "panic";

/// The transactions of one server process. A name is found without a lock: each is at the first
/// free place after the one that its text leads to.
#[derive(Debug)]
pub struct TransactionMetrics {
    places: [OnceLock<Box<TransactionFigures>>; NAMES_MAX],
    others: TransactionFigures,
}

impl Default for TransactionMetrics {
    fn default() -> Self {
        Self {
            places: std::array::from_fn(|_| OnceLock::new()),
            others: TransactionFigures::new(OTHERS),
        }
    }
}

impl TransactionMetrics {
    /// Returns the figures of the transaction `name`.
    pub fn of(&self, name: &'static str) -> &TransactionFigures {
        let start = place_of(name);
        for step in 0..NAMES_MAX {
            let place = &self.places[(start + step) % NAMES_MAX];
            let figures = place.get_or_init(|| Box::new(TransactionFigures::new(name)));
            if figures.name == name {
                return figures;
            }
        }
        &self.others
    }

    /// Returns the figures of every transaction that has run.
    pub fn all(&self) -> impl Iterator<Item = &TransactionFigures> {
        let named = self.places.iter().filter_map(OnceLock::get);
        let all = named.map(|figures| &**figures).chain([&self.others]);
        all.filter(|figures| figures.attempts.get() > 0)
    }

    /// Returns how many attempts were rolled back for this reason.
    pub fn rollbacks(&self, reason: &str) -> u64 {
        self.all().map(|figures| figures.rollbacks(reason)).sum()
    }
}

/// The FNV-1a hash of the name.
fn place_of(name: &str) -> usize {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    usize::try_from(hash).unwrap_or_default() % NAMES_MAX
}

/// The figures of one kind of transaction.
#[derive(Debug)]
pub struct TransactionFigures {
    pub name: &'static str,
    pub attempts: Counter,
    /// Attempts after the first one.
    pub retries: Counter,
    /// By the positions of [`ROLLBACKS`].
    rollbacks: [Counter; ROLLBACKS.len()],
    /// From the request to its end, with all attempts and waits.
    pub duration: Histogram,
    /// In statements that take row locks.
    pub lock_wait_us: Counter,
    /// Waiting for a connection.
    pub pool_wait_us: Counter,
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub attempts: u32,
    pub took: Duration,
    pub lock_wait: Duration,
    pub pool_wait: Duration,
    /// The trace of its request, if it is being recorded.
    pub trace: Option<TraceId>,
}

impl TransactionFigures {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            attempts: Counter::default(),
            retries: Counter::default(),
            rollbacks: Default::default(),
            duration: Histogram::default(),
            lock_wait_us: Counter::default(),
            pool_wait_us: Counter::default(),
        }
    }

    /// Counts an attempt that was rolled back.
    pub fn rolled_back(&self, reason: &str) {
        self.rollbacks[position_of(&ROLLBACKS, reason)].increment();
    }

    /// Counts a transaction that has ended.
    pub fn ended(&self, ended: Ended) {
        self.attempts.add(ended.attempts.into());
        if ended.attempts > 1 {
            self.retries.add(u64::from(ended.attempts) - 1);
        }
        self.duration.observe(ended.took, ended.trace);
        if !ended.lock_wait.is_zero() {
            self.lock_wait_us.add_time(ended.lock_wait);
        }
        if !ended.pool_wait.is_zero() {
            self.pool_wait_us.add_time(ended.pool_wait);
        }
    }

    /// Returns how many attempts were rolled back for this reason.
    pub fn rollbacks(&self, reason: &str) -> u64 {
        self.rollbacks[position_of(&ROLLBACKS, reason)].get()
    }

    /// Returns the reasons for which attempts were rolled back, with their numbers.
    pub fn rollbacks_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = ROLLBACKS.iter().zip(&self.rollbacks);
        let counted = counted.map(|(reason, count)| (*reason, count.get()));
        counted.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(attempts: u32) -> Ended {
        Ended {
            attempts,
            took: Duration::from_millis(3),
            lock_wait: Duration::from_millis(1),
            pool_wait: Duration::ZERO,
            trace: None,
        }
    }

    #[test]
    fn each_name_has_its_own_figures() {
        let metrics = TransactionMetrics::default();
        metrics.of("row-lock").ended(ended(1));
        metrics.of("settle payment").ended(ended(3));
        metrics.of("row-lock").ended(ended(1));
        metrics.of("row-lock").rolled_back(DEADLOCK);
        metrics.of("row-lock").rolled_back("99999");
        let row_lock = metrics.of("row-lock");
        assert_eq!((row_lock.attempts.get(), row_lock.retries.get()), (2, 0));
        let reasons: Vec<_> = row_lock.rollbacks_by_reason().collect();
        assert_eq!(reasons, [(DEADLOCK, 1), ("other", 1)]);
        assert_eq!(metrics.of("settle payment").retries.get(), 2);
        assert_eq!(metrics.rollbacks(DEADLOCK), 1);
        assert_eq!(metrics.all().count(), 2, "only those that have run");
    }

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let metrics = TransactionMetrics::default();
        for number in 0..NAMES_MAX * 2 {
            let name: &'static str = Box::leak(format!("transaction {number}").into_boxed_str());
            metrics.of(name).ended(ended(1));
        }
        assert_eq!(metrics.all().count(), NAMES_MAX + 1);
        let attempts: u64 = metrics.all().map(|figures| figures.attempts.get()).sum();
        assert_eq!(attempts, 2 * 128, "none is lost");
    }

    #[test]
    fn each_reason_is_listed_once() {
        let mut reasons = ROLLBACKS.to_vec();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), ROLLBACKS.len());
    }
}
