//! Rate limits per client address: for attempts to guess secrets and, if configured, for purchases.

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

/// Password attempts that an address may make at once; after that, one every [`LOGIN_REFILL`].
const LOGIN_BURST: NonZeroU32 = NonZeroU32::new(10).expect("a constant above zero");
const LOGIN_REFILL: Duration = Duration::from_secs(12);
/// Order numbers and discount codes that an address may try at once; after that, one every
/// [`GUESS_REFILL`].
const GUESS_BURST: NonZeroU32 = NonZeroU32::new(20).expect("a constant above zero");
const GUESS_REFILL: Duration = Duration::from_secs(6);

/// The rate limiters of a server process.
#[derive(Debug)]
pub struct RateLimits {
    login: DefaultKeyedRateLimiter<IpAddr>,
    guess: DefaultKeyedRateLimiter<IpAddr>,
    purchase: Option<DefaultKeyedRateLimiter<IpAddr>>,
}

impl RateLimits {
    /// Creates the limiters. Without a rate, purchases are not limited, so that a load test
    /// measures the shop and not the limiter.
    pub fn new(purchase_rate_per_s: Option<NonZeroU32>) -> Self {
        Self {
            login: RateLimiter::keyed(burst(LOGIN_BURST, LOGIN_REFILL)),
            guess: RateLimiter::keyed(burst(GUESS_BURST, GUESS_REFILL)),
            purchase: purchase_rate_per_s.map(|rate| RateLimiter::keyed(Quota::per_second(rate))),
        }
    }

    /// Counts a password attempt.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] if the address made too many.
    pub fn check_login(&self, address: IpAddr) -> Result<(), ShopError> {
        check(&self.login, address)
    }

    /// Counts an attempt to guess an order number or a discount code.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] if the address made too many.
    pub fn check_guess(&self, address: IpAddr) -> Result<(), ShopError> {
        check(&self.guess, address)
    }

    /// Counts a purchase, if purchases are limited.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] if the address buys too fast.
    pub fn check_purchase(&self, address: IpAddr) -> Result<(), ShopError> {
        match &self.purchase {
            Some(limiter) => check(limiter, address),
            None => Ok(()),
        }
    }

    /// Removes addresses that have not sent requests recently.
    pub fn remove_idle(&self) {
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
    limiter
        .check_key(&network_of(address))
        .map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            ShopError::TooManyRequests {
                retry_after_s: wait.as_secs() + 1,
            }
        })
}

/// Returns the address that is counted: an IPv4 address, or the /64 network of an IPv6 address,
/// because one customer usually has a whole /64.
pub fn network_of(address: IpAddr) -> IpAddr {
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
    fn password_attempts_are_limited() {
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
    fn an_ipv6_network_counts_as_one_address() {
        let a = "2001:db8:1:2::1".parse().map(network_of);
        let b = "2001:db8:1:2:ffff::9".parse().map(network_of);
        assert_eq!(a, b);
    }
}
