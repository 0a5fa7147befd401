//! Counts the wrong guesses of each client address. A right guess costs nothing: a thousand honest
//! shoppers may share one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    model::{RequestLimit, ShopError},
    shop::guess_counts::{ALLOWANCES_MAX, GuessKind},
};

/// See the module's documentation. Clients are counted per process; `shop::guess_counts` counts
/// those of all processes.
#[derive(Debug)]
pub struct WrongGuesses {
    /// What a refusal names.
    limit: RequestLimit,
    allowance: u32,
    forgiven_after: Duration,
    /// The time at which all wrong guesses of an address are forgiven.
    forgiven_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl WrongGuesses {
    /// Allows as many wrong guesses of this kind as all servers together.
    pub fn of(kind: GuessKind) -> Self {
        let forgiven_after = kind.forgiven_after().unsigned_abs();
        Self::new(kind.limit(), kind.at_once_max(), forgiven_after)
    }

    /// Allows `allowance` wrong guesses at once, and then one every `forgiven_after`.
    fn new(limit: RequestLimit, allowance: u32, forgiven_after: Duration) -> Self {
        Self {
            limit,
            allowance,
            forgiven_after,
            forgiven_at: Mutex::default(),
        }
    }

    /// Checks whether `address` may guess. This does not count a guess.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong guesses.
    pub fn check(&self, address: IpAddr, now: Instant) -> Result<(), ShopError> {
        let Some(forgiven_at) = self.entries().get(&address).copied() else {
            return Ok(());
        };
        let tolerated = self.forgiven_after * self.allowance.saturating_sub(1);
        match forgiven_at.checked_duration_since(now + tolerated) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(ShopError::TooManyRequests {
                limit: self.limit,
                retry_after_s: wait.as_secs() + 1,
            }),
        }
    }

    /// Counts a wrong guess. Returns false if `address` has already collected as many as it can.
    pub fn count(&self, address: IpAddr, now: Instant) -> bool {
        let latest = now + self.forgiven_after * self.allowance * ALLOWANCES_MAX;
        let mut entries = self.entries();
        let entry = entries.entry(address).or_insert(now);
        let forgiven_at = Ord::max(*entry, now) + self.forgiven_after;
        *entry = forgiven_at.min(latest);
        forgiven_at <= latest
    }

    /// Takes back one count of [`WrongGuesses::count`].
    pub fn uncount(&self, address: IpAddr) {
        if let Some(forgiven_at) = self.entries().get_mut(&address)
            && let Some(earlier) = forgiven_at.checked_sub(self.forgiven_after)
        {
            *forgiven_at = earlier;
        }
    }

    /// Removes the addresses whose guesses are all forgiven.
    pub fn remove_idle(&self, now: Instant) {
        self.entries().retain(|_, forgiven_at| *forgiven_at > now);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.forgiven_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn three_then_one_every_ten_seconds() -> WrongGuesses {
        WrongGuesses::new(RequestLimit::Guesses, 3, Duration::from_secs(10))
    }

    #[test]
    fn right_guesses_are_never_limited() {
        let (guesses, now) = (three_then_one_every_ten_seconds(), Instant::now());
        for _ in 0..1_000 {
            assert_eq!(guesses.check(ADDRESS, now), Ok(()));
        }
    }

    #[test]
    fn wrong_guesses_are_limited_and_forgiven_one_by_one() {
        let (guesses, now) = (three_then_one_every_ten_seconds(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(guesses.check(ADDRESS, now), Ok(()));
            guesses.count(ADDRESS, now);
        }
        let refused = guesses.check(ADDRESS, now);
        assert_eq!(
            refused,
            Err(ShopError::TooManyRequests {
                limit: RequestLimit::Guesses,
                retry_after_s: 11
            })
        );
        assert!(guesses.check(ADDRESS, after(9)).is_err());
        assert_eq!(guesses.check(ADDRESS, after(10)), Ok(()));
        guesses.count(ADDRESS, after(10));
        assert!(guesses.check(ADDRESS, after(11)).is_err());
        assert_eq!(guesses.check([10, 0, 0, 2].into(), now), Ok(()));
    }

    #[test]
    fn a_count_that_is_taken_back_does_not_limit() {
        let (guesses, now) = (three_then_one_every_ten_seconds(), Instant::now());
        for _ in 0..50 {
            assert_eq!(guesses.check(ADDRESS, now), Ok(()));
            guesses.count(ADDRESS, now);
            guesses.uncount(ADDRESS);
        }
        guesses.uncount([10, 0, 0, 2].into());
    }

    /// Guesses that are checked at the same time all pass; counting them blocks the address longer.
    #[test]
    fn simultaneous_wrong_guesses_are_all_counted_up_to_a_bound() {
        let (guesses, now) = (three_then_one_every_ten_seconds(), Instant::now());
        let counted = (0..1_000).filter(|_| guesses.count(ADDRESS, now)).count();
        assert_eq!(counted, 30, "ten times the allowance");
        let last_blocked = now + Duration::from_secs(279);
        assert!(guesses.check(ADDRESS, last_blocked).is_err());
        assert_eq!(
            guesses.check(ADDRESS, now + Duration::from_secs(280)),
            Ok(())
        );
    }

    #[test]
    fn forgiven_addresses_are_removed() {
        let (guesses, now) = (three_then_one_every_ten_seconds(), Instant::now());
        guesses.count(ADDRESS, now);
        guesses.remove_idle(now);
        assert_eq!(guesses.entries().len(), 1);
        guesses.remove_idle(now + Duration::from_secs(10));
        assert!(guesses.entries().is_empty());
    }
}
