//! The breaker: after a failure, Redis is left alone for a moment.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long Redis is left alone after a failure. Shoppers must not notice that it is gone for more
/// than a second, nor that it is back.
const OPEN_FOR: Duration = Duration::from_millis(500);

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open_until: Option<Instant>,
    /// True from the first failure to the next success.
    is_away: bool,
}

/// What a call means for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    Away,
    Back,
}

impl Breaker {
    /// Returns true if Redis is to be left alone.
    pub fn is_open(&self, now: Instant) -> bool {
        self.state().open_until.is_some_and(|until| now < until)
    }

    /// Notes a failure.
    pub fn fail(&self, now: Instant) -> Change {
        let mut state = self.state();
        state.open_until = Some(now + OPEN_FOR);
        match std::mem::replace(&mut state.is_away, true) {
            true => Change::None,
            false => Change::Away,
        }
    }

    /// Notes an answer.
    pub fn succeed(&self) -> Change {
        let mut state = self.state();
        match std::mem::take(&mut state.is_away) {
            true => {
                state.open_until = None;
                Change::Back
            }
            false => Change::None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_opens_it_for_a_moment() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert!(!breaker.is_open(start));
        assert_eq!(breaker.fail(start), Change::Away);
        assert!(breaker.is_open(start));
        assert!(breaker.is_open(start + OPEN_FOR / 2));
        assert!(!breaker.is_open(start + OPEN_FOR));
        assert_eq!(breaker.fail(start + OPEN_FOR), Change::None, "logged once");
        assert!(breaker.is_open(start + OPEN_FOR));
    }

    #[test]
    fn an_answer_closes_it() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.succeed(), Change::None);
        breaker.fail(start);
        assert_eq!(breaker.succeed(), Change::Back);
        assert!(!breaker.is_open(start));
        assert_eq!(breaker.succeed(), Change::None, "logged once");
    }

    #[test]
    fn shoppers_wait_for_less_than_a_second() {
        assert!(OPEN_FOR + super::super::COMMAND_MAX * 2 < Duration::from_secs(1));
    }
}
