//! How often one address may try what can be guessed, and, if asked for, how often it may buy.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::model::ShopError;

/// Passwords that one address may try at once; then one every [`LOGIN_REFILL`].
const LOGIN_BURST: NonZeroU32 = NonZeroU32::new(10).expect("a constant above zero");
const LOGIN_REFILL: Duration = Duration::from_secs(12);
/// Order numbers and discount codes that one address may try at once; then one every [`GUESS_REFILL`].
const GUESS_BURST: NonZeroU32 = NonZeroU32::new(20).expect("a constant above zero");
const GUESS_REFILL: Duration = Duration::from_secs(6);

/// The limiters of this process.
#[derive(Debug)]
pub struct RateLimits {
    login: DefaultKeyedRateLimiter<IpAddr>,
    guess: DefaultKeyedRateLimiter<IpAddr>,
    purchase: Option<DefaultKeyedRateLimiter<IpAddr>>,
}

impl RateLimits {
    /// Purchases are limited only when asked for, so that a load test measures the shop and not its door.
    pub fn new(purchase_rate_per_s: Option<NonZeroU32>) -> Self {
        Self {
            login: RateLimiter::keyed(burst(LOGIN_BURST, LOGIN_REFILL)),
            guess: RateLimiter::keyed(burst(GUESS_BURST, GUESS_REFILL)),
            purchase: purchase_rate_per_s.map(|rate| RateLimiter::keyed(Quota::per_second(rate))),
        }
    }

    /// # Errors
    /// [`ShopError::TooManyRequests`] when this address tried too many passwords.
    pub fn check_login(&self, address: IpAddr) -> Result<(), ShopError> {
        check(&self.login, address)
    }

    /// # Errors
    /// [`ShopError::TooManyRequests`] when this address tried too many order numbers or discount codes.
    pub fn check_guess(&self, address: IpAddr) -> Result<(), ShopError> {
        check(&self.guess, address)
    }

    /// # Errors
    /// [`ShopError::TooManyRequests`] when this address buys too fast.
    pub fn check_purchase(&self, address: IpAddr) -> Result<(), ShopError> {
        match &self.purchase {
            Some(limiter) => check(limiter, address),
            None => Ok(()),
        }
    }

    /// Forgets addresses that have been quiet.
    pub fn shrink(&self) {
        self.login.retain_recent();
        self.guess.retain_recent();
        if let Some(purchase) = &self.purchase {
            purchase.retain_recent();
        }
    }
}

fn burst(at_once: NonZeroU32, refill: Duration) -> Quota {
    Quota::with_period(refill)
        .unwrap_or(Quota::per_minute(at_once))
        .allow_burst(at_once)
}

fn check(limiter: &DefaultKeyedRateLimiter<IpAddr>, address: IpAddr) -> Result<(), ShopError> {
    limiter.check_key(&household(address)).map_err(|not_until| {
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        ShopError::TooManyRequests {
            retry_after_s: wait.as_secs() + 1,
        }
    })
}

/// One customer has a whole /64 of IPv6 addresses: they count as one.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_passwords_is_slowed_down() {
        let limits = RateLimits::new(None);
        let address = |last| IpAddr::from([10, 0, 0, last]);
        for _ in 0..LOGIN_BURST.get() {
            assert_eq!(limits.check_login(address(1)), Ok(()));
        }
        assert!(matches!(
            limits.check_login(address(1)),
            Err(ShopError::TooManyRequests {
                retry_after_s: 1..=13
            })
        ));
        assert_eq!(limits.check_login(address(2)), Ok(()));
    }

    #[test]
    fn a_prefix_counts_as_one_address() {
        let a = "2001:db8:1:2::1".parse().map(household);
        let b = "2001:db8:1:2:ffff::9".parse().map(household);
        assert_eq!(a, b);
    }
}
