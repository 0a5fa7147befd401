//! Rate limits per client address: for wrong guesses of secrets and, if configured, for purchases
//! by the API. Paying an order has no rate limit: many honest shoppers may share an address.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Instant,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use super::wrong_guesses::WrongGuesses;
use crate::{
    model::{RequestLimit, ShopError},
    shop::guess_counts::GuessKind,
};

/// The rate limiters of a server process.
#[derive(Debug)]
pub struct RateLimits {
    login: WrongGuesses,
    guess: WrongGuesses,
    purchase: Option<ApiPurchases>,
    new_cart: Option<NewCarts>,
}

/// The limiter of purchases by the API.
#[derive(Debug)]
struct ApiPurchases {
    per_s: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<IpAddr>,
}

/// The limiter of new carts, each of which also starts a session.
#[derive(Debug)]
struct NewCarts {
    per_minute: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<IpAddr>,
}

impl RateLimits {
    /// Creates the limiters. Without a rate, purchases are not limited, so that a load test
    /// measures the shop and not the limiter.
    pub fn new(purchase_rate_per_s: Option<NonZeroU32>) -> Self {
        Self {
            login: WrongGuesses::of(GuessKind::Password),
            guess: WrongGuesses::of(GuessKind::OrderOrCode),
            purchase: purchase_rate_per_s.map(|per_s| ApiPurchases {
                per_s,
                limiter: RateLimiter::keyed(Quota::per_second(per_s)),
            }),
            new_cart: None,
        }
    }

    /// Returns the limiters with a limit for new carts. `None` means no limit.
    #[must_use]
    pub fn with_new_carts_per_minute(self, per_minute: Option<NonZeroU32>) -> Self {
        Self {
            new_cart: per_minute.map(|per_minute| NewCarts {
                per_minute,
                limiter: RateLimiter::keyed(Quota::per_minute(per_minute)),
            }),
            ..self
        }
    }

    /// Counts a password as wrong before it is checked, so that attempts at the same time are all
    /// counted: only the administrator signs in, and the check takes long.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] if the address sent too many wrong ones.
    pub fn start_login(&self, address: IpAddr) -> Result<(), ShopError> {
        let (network, now) = (network_of(address), Instant::now());
        self.login.check(network, now)?;
        self.login.count(network, now);
        Ok(())
    }

    /// Takes back the count of [`RateLimits::start_login`]: the password was not wrong.
    pub fn forgive_login(&self, address: IpAddr) {
        self.login.uncount(network_of(address));
    }

    /// Counts an order number as wrong before it is searched for, so that attempts at the same time
    /// are all counted: numbers follow each other, and one that fits an e-mail address shows all
    /// orders of a customer.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] if the address sent too many wrong ones.
    pub fn start_order_guess(&self, address: IpAddr) -> Result<(), ShopError> {
        let (network, now) = (network_of(address), Instant::now());
        self.guess.check(network, now)?;
        self.guess.count(network, now);
        Ok(())
    }

    /// Takes back the count of [`RateLimits::start_order_guess`]: the number was not wrong.
    pub fn forgive_order_guess(&self, address: IpAddr) {
        self.guess.uncount(network_of(address));
    }

    /// Checks whether the address may try a discount code. Many honest shoppers may try theirs at
    /// the same time, so only [`RateLimits::count_wrong_guess`] counts.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] if it sent too many wrong ones.
    pub fn check_guess(&self, address: IpAddr) -> Result<(), ShopError> {
        self.guess.check(network_of(address), Instant::now())
    }

    /// Counts a wrong discount code. Returns false if the address has already collected as many
    /// wrong guesses as it can.
    pub fn count_wrong_guess(&self, address: IpAddr) -> bool {
        self.guess.count(network_of(address), Instant::now())
    }

    /// Counts a purchase by the API, if these are limited.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] if the address buys too fast.
    pub fn check_purchase(&self, address: IpAddr) -> Result<(), ShopError> {
        let Some(purchases) = &self.purchase else {
            return Ok(());
        };
        check(&purchases.limiter, address).map_err(|retry_after_s| ShopError::TooManyRequests {
            limit: RequestLimit::Purchases {
                per_s: purchases.per_s.get(),
            },
            retry_after_s,
        })
    }

    /// Counts a new cart, if these are limited.
    ///
    /// # Errors
    /// [`ShopError::TooManyCarts`] if the address started too many.
    pub fn check_new_cart(&self, address: IpAddr) -> Result<(), ShopError> {
        let Some(carts) = &self.new_cart else {
            return Ok(());
        };
        check(&carts.limiter, address).map_err(|retry_after_s| ShopError::TooManyCarts {
            limit_per_minute: carts.per_minute.get(),
            retry_after_s,
        })
    }

    /// Removes addresses that have not sent requests recently.
    pub fn remove_idle(&self) {
        self.login.remove_idle(Instant::now());
        self.guess.remove_idle(Instant::now());
        if let Some(purchases) = &self.purchase {
            purchases.limiter.retain_recent();
        }
        if let Some(carts) = &self.new_cart {
            carts.limiter.retain_recent();
        }
    }
}

/// Counts a request of the address, or returns after how many seconds it may send the next one.
fn check(limiter: &DefaultKeyedRateLimiter<IpAddr>, address: IpAddr) -> Result<(), u64> {
    limiter
        .check_key(&network_of(address))
        .map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            wait.as_secs() + 1
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
    fn wrong_passwords_are_limited_and_right_ones_are_not() {
        let limits = RateLimits::new(None);
        let address = |last| IpAddr::from([10, 0, 0, last]);
        for _ in 0..GuessKind::Password.at_once_max() * 2 {
            assert_eq!(limits.start_login(address(1)), Ok(()));
            limits.forgive_login(address(1));
        }
        for _ in 0..GuessKind::Password.at_once_max() {
            assert_eq!(limits.start_login(address(1)), Ok(()));
        }
        assert!(matches!(
            limits.start_login(address(1)),
            Err(ShopError::TooManyRequests {
                limit: RequestLimit::Passwords,
                retry_after_s: 1..=13
            })
        ));
        assert_eq!(limits.start_login(address(2)), Ok(()));
        assert_eq!(limits.check_guess(address(1)), Ok(()));
    }

    #[test]
    fn order_numbers_are_counted_while_they_are_looked_up() {
        let limits = RateLimits::new(None);
        let address = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..GuessKind::OrderOrCode.at_once_max() {
            assert_eq!(limits.start_order_guess(address), Ok(()));
        }
        assert!(limits.start_order_guess(address).is_err());
        assert!(matches!(
            limits.check_guess(address),
            Err(ShopError::TooManyRequests {
                limit: RequestLimit::Guesses,
                ..
            })
        ));
        limits.forgive_order_guess(address);
        assert_eq!(limits.start_order_guess(address), Ok(()));
    }

    #[test]
    fn a_limit_of_purchases_names_the_rate() {
        let limits = RateLimits::new(NonZeroU32::new(2));
        let address = IpAddr::from([10, 0, 0, 1]);
        let refused = (0..1_000).find_map(|_| limits.check_purchase(address).err());
        let per_s = 2;
        let limit = RequestLimit::Purchases { per_s };
        let retry_after_s = 1;
        assert_eq!(
            refused,
            Some(ShopError::TooManyRequests {
                limit,
                retry_after_s
            })
        );
        assert_eq!(limits.check_purchase([10, 0, 0, 2].into()), Ok(()));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let a = "2001:db8:1:2::1".parse().map(network_of);
        let b = "2001:db8:1:2:ffff::9".parse().map(network_of);
        assert_eq!(a, b);
    }
}
