//! The circuit breaker: a service that failed repeatedly gets no requests for a moment, and its
//! callers are refused at once instead of waiting for it.
//!
//! | state | calls | becomes |
//! |---|---|---|
//! | closed | pass | open, after [`Thresholds::failures`] failures in a row |
//! | open | are refused | half-open, with the first call after [`Thresholds::open_for`] |
//! | half-open | one is the probe, all others are refused | closed, if the probe succeeds; open, if it fails; another call is the probe, if it does not end within [`Thresholds::probe_max`] |
//!
//! The pattern is from Michael Nygard's "Release It!" (2007). A call that passed in an earlier
//! state changes nothing: the last timeouts of an outage do not open a breaker that has closed
//! again.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::microseconds;
use crate::metrics::Counter;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long it refuses every call.
    pub open_for: Duration,
    /// How long a probe may take.
    pub probe_max: Duration,
}

impl Thresholds {
    /// For a service without which the shop cannot sell. A single failure is no reason to refuse
    /// shoppers. Two probes in a row, of which the first one was lost, end within two seconds.
    pub const SERVICE: Self = Self {
        failures: 5,
        open_for: Duration::from_millis(250),
        probe_max: Duration::from_millis(500),
    };
}

/// The state of a breaker; see the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    Open,
    HalfOpen,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What the end of a call means for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    Opened,
    Closed,
}

/// The breaker refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The permission for one call. Its caller reports the end of the call, or drops it if the call
/// says nothing about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The number of changes of the state when the call passed.
    changes: u64,
    is_probe: bool,
}

impl Pass {
    /// True if the result of this call decides whether the breaker closes.
    pub fn is_probe(self) -> bool {
        self.is_probe
    }
}

/// The value of `refuses_until` while the breaker is closed.
const CLOSED: u64 = 0;
/// The last bit of `refuses_until` while the breaker is half-open.
const HALF_OPEN: u64 = 1;

/// See the module's documentation.
#[derive(Debug)]
pub struct Breaker {
    thresholds: Thresholds,
    /// Times count from here.
    begin: Instant,
    /// [`CLOSED`], or the time until which every call is refused, in microseconds times two, with
    /// the bit [`HALF_OPEN`].
    refuses_until: AtomicU64,
    /// Failures in a row while closed.
    failures: AtomicU32,
    changes: AtomicU64,
    openings: Counter,
    refusals: Counter,
}

impl Breaker {
    /// Creates a closed breaker.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            begin: Instant::now(),
            refuses_until: AtomicU64::new(CLOSED),
            failures: AtomicU32::new(0),
            changes: AtomicU64::new(0),
            openings: Counter::default(),
            refusals: Counter::default(),
        }
    }

    /// Lets a call pass, or refuses it.
    ///
    /// # Errors
    /// [`Refused`] while it is open, and for every call but the probe while it is half-open.
    pub fn admit(&self, now: Instant) -> Result<Pass, Refused> {
        let until = self.refuses_until.load(Ordering::Acquire);
        if until == CLOSED {
            return Ok(Pass {
                changes: self.changes.load(Ordering::Acquire),
                is_probe: false,
            });
        }
        let probing = self.encode(now + self.thresholds.probe_max) | HALF_OPEN;
        if self.encode(now) < until & !HALF_OPEN || !self.replace(until, probing) {
            self.refusals.increment();
            return Err(Refused);
        }
        Ok(Pass {
            changes: self.changes.fetch_add(1, Ordering::AcqRel) + 1,
            is_probe: true,
        })
    }

    /// Notes that the service answered a call.
    pub fn succeed(&self, pass: Pass) -> Change {
        if !self.is_current(pass) {
            return Change::None;
        }
        if pass.is_probe {
            self.failures.store(0, Ordering::Relaxed);
            self.refuses_until.store(CLOSED, Ordering::Release);
            self.changes.fetch_add(1, Ordering::AcqRel);
            return Change::Closed;
        }
        // Usually it is 0, and a store would take the number from the other processors.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        Change::None
    }

    /// Notes that the service answered a probe, in time or later: it is there, and the breaker
    /// closes.
    pub fn probe_answered(&self) -> Change {
        if self.refuses_until.swap(CLOSED, Ordering::AcqRel) == CLOSED {
            return Change::None;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::AcqRel);
        Change::Closed
    }

    /// Notes that the service did not answer a call.
    pub fn fail(&self, pass: Pass, now: Instant) -> Change {
        if !self.is_current(pass) {
            return Change::None;
        }
        let open = self.encode(now + self.thresholds.open_for);
        if pass.is_probe {
            self.refuses_until.store(open, Ordering::Release);
            self.changes.fetch_add(1, Ordering::AcqRel);
            return Change::None;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures < self.thresholds.failures || !self.replace(CLOSED, open) {
            return Change::None;
        }
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.failures.store(0, Ordering::Relaxed);
        self.openings.increment();
        Change::Opened
    }

    /// Returns the state.
    pub fn state(&self) -> State {
        match self.refuses_until.load(Ordering::Acquire) {
            CLOSED => State::Closed,
            until if until & HALF_OPEN == HALF_OPEN => State::HalfOpen,
            _ => State::Open,
        }
    }

    /// The thresholds.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// Returns how often it opened from the state closed.
    pub fn openings(&self) -> u64 {
        self.openings.get()
    }

    /// Returns how many calls it refused.
    pub fn refusals(&self) -> u64 {
        self.refusals.get()
    }

    fn is_current(&self, pass: Pass) -> bool {
        pass.changes == self.changes.load(Ordering::Acquire)
    }

    /// Returns a time as a number that is never [`CLOSED`] and whose last bit is 0.
    fn encode(&self, at: Instant) -> u64 {
        let since = microseconds(at.saturating_duration_since(self.begin));
        since.saturating_add(1).saturating_mul(2) & !HALF_OPEN
    }

    fn replace(&self, current: u64, new: u64) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        self.refuses_until
            .compare_exchange(current, new, success, failure)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        failures: 3,
        open_for: Duration::from_millis(100),
        probe_max: Duration::from_millis(40),
    };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn pass(breaker: &Breaker, now: Instant) -> Pass {
        breaker.admit(now).expect("the call passes")
    }

    /// Returns a breaker that opened at the returned time.
    fn opened() -> (Breaker, Instant) {
        let breaker = Breaker::new(THRESHOLDS);
        let now = Instant::now();
        for expected in [Change::None, Change::None, Change::Opened] {
            assert_eq!(breaker.state(), State::Closed);
            assert_eq!(breaker.fail(pass(&breaker, now), now), expected);
        }
        (breaker, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_begins_a_new_row() {
        let (breaker, now) = (Breaker::new(THRESHOLDS), Instant::now());
        for _ in 0..10 {
            for _ in 0..THRESHOLDS.failures - 1 {
                let failed = breaker.fail(pass(&breaker, now), now);
                assert_eq!(failed, Change::None);
            }
            assert_eq!(breaker.succeed(pass(&breaker, now)), Change::None);
        }
        assert_eq!((breaker.state(), breaker.openings()), (State::Closed, 0));
        let (breaker, _) = opened();
        assert_eq!((breaker.state(), breaker.openings()), (State::Open, 1));
    }

    #[test]
    fn while_open_every_call_is_refused_and_counted() {
        let (breaker, opened) = opened();
        for at in [0, 1, 99] {
            assert_eq!(breaker.admit(opened + ms(at)), Err(Refused), "{at} ms");
        }
        assert_eq!(breaker.refusals(), 3);
    }

    #[test]
    fn while_half_open_one_call_is_the_probe() {
        let (breaker, opened) = opened();
        let probe = pass(&breaker, opened + ms(100));
        assert!(probe.is_probe());
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.admit(opened + ms(101)), Err(Refused));
        assert_eq!(breaker.succeed(probe), Change::Closed);
        assert_eq!(breaker.state(), State::Closed);
        assert!(!pass(&breaker, opened + ms(101)).is_probe());
        assert_eq!(breaker.succeed(probe), Change::None, "logged once");
    }

    #[test]
    fn a_probe_that_is_answered_late_closes_it() {
        let (breaker, opened) = opened();
        let probe = pass(&breaker, opened + ms(100));
        assert_eq!(breaker.fail(probe, opened + ms(140)), Change::None);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.probe_answered(), Change::Closed);
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(breaker.fail(probe, opened + ms(141)), Change::None);
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(breaker.probe_answered(), Change::None, "logged once");
    }

    #[test]
    fn a_probe_that_fails_opens_it_again() {
        let (breaker, opened) = opened();
        let at = opened + ms(100);
        let probe = pass(&breaker, at);
        assert_eq!(breaker.fail(probe, at + ms(10)), Change::None);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.admit(at + ms(109)), Err(Refused));
        assert!(pass(&breaker, at + ms(110)).is_probe());
        assert_eq!(breaker.openings(), 1, "one outage");
    }

    #[test]
    fn a_probe_that_never_ends_is_replaced() {
        let (breaker, opened) = opened();
        let lost = pass(&breaker, opened + ms(100));
        assert_eq!(breaker.admit(opened + ms(139)), Err(Refused));
        let second = pass(&breaker, opened + ms(140));
        assert!(second.is_probe());
        assert_eq!(breaker.succeed(lost), Change::None, "too late");
        assert_eq!(breaker.fail(lost, opened + ms(141)), Change::None);
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.succeed(second), Change::Closed);
    }

    #[test]
    fn calls_of_an_earlier_state_change_nothing() {
        let (breaker, now) = (Breaker::new(THRESHOLDS), Instant::now());
        let slow: Vec<Pass> = (0..10).map(|_| pass(&breaker, now)).collect();
        for early in slow.iter().take(3) {
            breaker.fail(*early, now);
        }
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.succeed(slow[3]), Change::None);
        assert_eq!(breaker.state(), State::Open, "not by an old answer");
        let probe = pass(&breaker, now + ms(100));
        assert_eq!(breaker.succeed(probe), Change::Closed);
        for late in slow.iter().skip(4) {
            assert_eq!(breaker.fail(*late, now + ms(101)), Change::None);
        }
        assert_eq!(breaker.state(), State::Closed, "the outage is over");
    }

    #[test]
    fn one_of_many_threads_is_the_probe() {
        let (breaker, opened) = opened();
        let probes: usize = std::thread::scope(|scope| {
            let admit = || breaker.admit(opened + ms(100)).is_ok_and(Pass::is_probe);
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(admit)).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended
                .map(|probe| usize::from(probe.expect("it ends")))
                .sum()
        });
        assert_eq!(probes, 1);
    }

    #[test]
    fn a_service_is_healthy_within_two_seconds_of_its_return() {
        let Thresholds {
            open_for,
            probe_max,
            ..
        } = Thresholds::SERVICE;
        // The first probe was sent before the return.
        assert!((probe_max + open_for) + probe_max < Duration::from_secs(2));
    }
}
