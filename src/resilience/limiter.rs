//! A limit of requests at once that adapts to the latency: load beyond capacity costs refusals, not
//! latency.
//!
//! Additive increase, multiplicative decrease, as TCP does (Chiu and Jain, 1989) and as the
//! `AIMDLimit` of Netflix's concurrency-limits: an answer within
//! [`LimiterSettings::latency_target`] raises the limit a little, a later one lowers it by a tenth.
//! Only answers of a server that is at least half full count, because others say nothing about the
//! load.
//!
//! The classes share the limit by priority, as the load shedders of Stripe ("Scaling your API with
//! rate limiters", 2017) and Netflix ("Keeping Netflix reliable using prioritized load shedding",
//! 2020) do: each class is refused when the server is full to its share, so the last part of the
//! capacity is for those who pay.
//!
//! While the server is at least half full, one client network begins requests of a class only as
//! long as those that it has in progress, of all classes, are less than a quarter of the room of
//! that class: a client that sends the most requests must not take the places of all others. All
//! networks of a site of IPv6 together have half. A server that is less full has room for everyone,
//! and lets a single network use it.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    microseconds,
    network_places::{NetworkPlaces, PlacesMax},
};
use crate::metrics::Counter;

/// What a request is for, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Paying, what belongs to it, and the administration of the shop.
    Paying,
    /// Looking around, and filling a cart.
    Browsing,
    /// The workbench, and simulated buyers.
    Simulation,
}

impl Class {
    pub const ALL: [Self; 3] = [Self::Paying, Self::Browsing, Self::Simulation];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Paying => "paying",
            Self::Browsing => "browsing",
            Self::Simulation => "simulation",
        }
    }

    /// The part of the limit up to which requests of all classes together may fill the server when
    /// one of this class begins.
    const fn share_percent(self) -> u64 {
        match self {
            Self::Paying => 100,
            Self::Browsing => 80,
            Self::Simulation => 50,
        }
    }
}

/// The bounds of the limit.
#[derive(Clone, Copy, Debug)]
pub struct LimiterSettings {
    pub initial: u32,
    pub min: u32,
    pub max: u32,
    /// Answers should take no longer.
    pub latency_target: Duration,
}

impl LimiterSettings {
    /// For a server of the shop. Half a second keeps 99 % of the answers under a second.
    pub const SERVER: Self = Self {
        initial: 256,
        min: 32,
        max: 2_048,
        latency_target: Duration::from_millis(500),
    };
    /// For payments. Their time is that of the provider, so this limit does not adapt. A provider
    /// that lets each of them wait for 3 s, the longest that *Pay* waits, leaves 85 a second.
    pub const PAYMENTS: Self = Self::fixed(256);
    /// For the addresses of operators, for which few people and programs ask.
    pub const OPERATORS: Self = Self::fixed(32);
    /// Without a limit in practice, for a server whose buyers are measured.
    pub const UNLIMITED: Self = Self::fixed(u32::MAX / 1_000);

    /// A limit that does not adapt.
    pub const fn fixed(limit: u32) -> Self {
        Self {
            initial: limit,
            min: limit,
            max: limit,
            latency_target: Duration::MAX,
        }
    }
}

/// The part of the room of a class up to which one network may have requests in progress, of all
/// classes, while the server is at least half full. Many honest shoppers may share a network.
const NETWORK_SHARE_PERCENT: u64 = 25;
/// The same for one site of IPv6, which many more may share.
const SITE_SHARE_PERCENT: u64 = 50;
/// The unit of the limit: a thousandth of a request.
const UNIT: u64 = 1_000;
/// What an answer in time adds.
const INCREASE: u64 = UNIT / 10;
/// What a late answer leaves, in percent.
const DECREASE_TO_PERCENT: u64 = 90;

/// See the module's documentation.
#[derive(Debug)]
pub struct ConcurrencyLimiter {
    settings: LimiterSettings,
    /// Times count from here.
    begin: Instant,
    /// In thousandths.
    limit: AtomicU64,
    /// In microseconds.
    next_decrease: AtomicU64,
    in_flight: AtomicU32,
    /// Of all classes together.
    networks: NetworkPlaces,
    classes: [ClassFigures; Class::ALL.len()],
}

/// Why a request is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionRefusal {
    /// The server is full to the share of its class.
    Full,
    /// Its network, or the site of that, has its share.
    NetworkShare,
}

#[derive(Debug, Default)]
struct ClassFigures {
    in_flight: AtomicU32,
    /// Requests that were refused because the server was full.
    refusals: Counter,
    /// Requests that were refused because their network, or its site, had its share.
    network_refusals: Counter,
}

impl ClassFigures {
    const fn counter_of(&self, refusal: AdmissionRefusal) -> &Counter {
        match refusal {
            AdmissionRefusal::Full => &self.refusals,
            AdmissionRefusal::NetworkShare => &self.network_refusals,
        }
    }
}

/// Returns how many places a network and a site may have when one of their requests begins beside
/// `before` others.
fn places_max(before: u64, room: u64) -> PlacesMax {
    if before * 2 < room {
        return PlacesMax {
            by_network: u64::MAX,
            by_site: u64::MAX,
        };
    }
    let share = |percent: u64| (room * percent / 100).max(1);
    PlacesMax {
        by_network: share(NETWORK_SHARE_PERCENT),
        by_site: share(SITE_SHARE_PERCENT),
    }
}

/// A request that is in progress until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    limiter: Arc<ConcurrencyLimiter>,
    class: Class,
    network: Option<IpAddr>,
    /// True if the server was at least half full when it began.
    was_busy: bool,
}

impl ConcurrencyLimiter {
    /// Creates a limiter without requests.
    pub fn new(settings: LimiterSettings) -> Self {
        Self {
            settings,
            begin: Instant::now(),
            limit: AtomicU64::new(u64::from(settings.initial) * UNIT),
            next_decrease: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            networks: NetworkPlaces::default(),
            classes: Default::default(),
        }
    }

    /// Admits a request of `network`: an IPv4 address, or a /64 network of IPv6. `None` is a client
    /// without a share: the program's own, or one that speaks for all shoppers.
    ///
    /// # Errors
    /// [`AdmissionRefusal`] if there is no place for it.
    pub fn admit(
        self: &Arc<Self>,
        class: Class,
        network: Option<IpAddr>,
    ) -> Result<Admitted, AdmissionRefusal> {
        let limit = self.limit.load(Ordering::Relaxed);
        let before = u64::from(self.in_flight.fetch_add(1, Ordering::Relaxed));
        // A server always has room for one request of each class.
        let room = (limit * class.share_percent() / 100 / UNIT).max(1);
        if let Err(refusal) = self.take(class, network, before, room) {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            self.classes[class as usize].counter_of(refusal).increment();
            return Err(refusal);
        }
        Ok(Admitted {
            limiter: Arc::clone(self),
            class,
            network,
            was_busy: (before + 1) * 2 * UNIT >= limit,
        })
    }

    /// Takes a place for a request that begins beside `before` others, of all classes.
    fn take(
        &self,
        class: Class,
        network: Option<IpAddr>,
        before: u64,
        room: u64,
    ) -> Result<(), AdmissionRefusal> {
        if before >= room {
            return Err(AdmissionRefusal::Full);
        }
        let max = places_max(before, room);
        if network.is_some_and(|network| !self.networks.take(network, max)) {
            return Err(AdmissionRefusal::NetworkShare);
        }
        self.classes[class as usize]
            .in_flight
            .fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn increase(&self) {
        let max = u64::from(self.settings.max) * UNIT;
        let raised = |limit: u64| (limit < max).then(|| (limit + INCREASE).min(max));
        // The maximum is no error.
        let _ = self
            .limit
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, raised);
    }

    /// Lowers the limit, once in the time that requests before the last decrease may need: they
    /// were admitted by the old limit, and say nothing about the new one.
    fn decrease(&self, now: Instant) {
        let now = microseconds(now.saturating_duration_since(self.begin));
        let pause = microseconds(self.settings.latency_target);
        let is_due = |due: u64| (now >= due).then(|| now.saturating_add(pause));
        let is_first =
            self.next_decrease
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_due);
        if is_first.is_err() {
            return;
        }
        let min = u64::from(self.settings.min) * UNIT;
        let lowered = |limit: u64| Some((limit * DECREASE_TO_PERCENT / 100).max(min));
        // The closure never refuses.
        let _ = self
            .limit
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, lowered);
    }

    /// Returns the limit of requests at once.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed) / UNIT
    }

    /// Returns each class with its requests in progress.
    pub fn in_flight(&self) -> impl Iterator<Item = (Class, u32)> {
        let classes = Class::ALL.into_iter().zip(&self.classes);
        classes.map(|(class, figures)| (class, figures.in_flight.load(Ordering::Relaxed)))
    }

    /// Returns each class with the number of requests that were refused because the server was
    /// full.
    pub fn refusals(&self) -> impl Iterator<Item = (Class, u64)> {
        let classes = Class::ALL.into_iter().zip(&self.classes);
        classes.map(|(class, figures)| (class, figures.refusals.get()))
    }

    /// Returns each class with the number of requests that were refused because their network, or
    /// its site, had its share.
    pub fn network_refusals(&self) -> impl Iterator<Item = (Class, u64)> {
        let classes = Class::ALL.into_iter().zip(&self.classes);
        classes.map(|(class, figures)| (class, figures.network_refusals.get()))
    }
}

impl Admitted {
    /// Adapts the limit to the latency of this request, which has been answered. Only an answer
    /// that was work raises it: refusals are quick on a busy server, too.
    pub fn answered(&self, latency: Duration, now: Instant, was_work: bool) {
        if !self.was_busy {
            return;
        }
        if latency > self.limiter.settings.latency_target {
            self.limiter.decrease(now);
        } else if was_work {
            self.limiter.increase();
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let figures = &self.limiter.classes[self.class as usize];
        if let Some(network) = self.network {
            self.limiter.networks.free(network);
        }
        figures.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.limiter.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: LimiterSettings = LimiterSettings {
        initial: 10,
        min: 4,
        max: 20,
        latency_target: Duration::from_millis(500),
    };
    const FAST: Duration = Duration::from_millis(20);
    const SLOW: Duration = Duration::from_millis(501);

    fn limiter() -> Arc<ConcurrencyLimiter> {
        Arc::new(ConcurrencyLimiter::new(SETTINGS))
    }

    fn admit(limiter: &Arc<ConcurrencyLimiter>, class: Class, count: usize) -> Vec<Admitted> {
        let admitted: Vec<_> = (0..count)
            .map_while(|_| limiter.admit(class, None).ok())
            .collect();
        assert_eq!(admitted.len(), count, "{class:?}");
        admitted
    }

    #[test]
    fn simulations_are_refused_before_browsing_and_browsing_before_paying() {
        let limiter = limiter();
        let mut admitted = admit(&limiter, Class::Simulation, 5);
        assert!(limiter.admit(Class::Simulation, None).is_err());
        admitted.extend(admit(&limiter, Class::Browsing, 3));
        assert!(limiter.admit(Class::Browsing, None).is_err());
        admitted.extend(admit(&limiter, Class::Paying, 2));
        assert!(limiter.admit(Class::Paying, None).is_err());
        let refused: Vec<u64> = limiter.refusals().map(|(_, count)| count).collect();
        assert_eq!(refused, [1, 1, 1]);
        let in_flight: Vec<u32> = limiter.in_flight().map(|(_, count)| count).collect();
        assert_eq!(in_flight, [2, 3, 5]);
        drop(admitted);
        assert!(limiter.in_flight().all(|(_, count)| count == 0));
        assert!(limiter.admit(Class::Simulation, None).is_ok());
    }

    fn network(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// Admits requests of a network until one is refused.
    fn fill(limiter: &Arc<ConcurrencyLimiter>, class: Class, last: u8) -> Vec<Admitted> {
        std::iter::from_fn(|| limiter.admit(class, network(last)).ok()).collect()
    }

    #[test]
    fn a_network_gets_half_of_an_idle_server_and_a_quarter_of_a_busy_one() {
        let settings = LimiterSettings::fixed(40);
        let limiter = Arc::new(ConcurrencyLimiter::new(settings));
        let mut first = fill(&limiter, Class::Paying, 1);
        assert_eq!(first.len(), 20, "half of the room");
        let second = fill(&limiter, Class::Paying, 2);
        assert_eq!(second.len(), 10, "a quarter of it");
        let third = fill(&limiter, Class::Paying, 3);
        assert_eq!(third.len(), 10, "the rest");
        let refused = limiter.admit(Class::Paying, network(4)).err();
        assert_eq!(refused, Some(AdmissionRefusal::Full));

        // What the first network ends, it gets back only up to its quarter.
        for left in (10..20).rev() {
            drop(first.pop());
            assert!(limiter.admit(Class::Paying, network(1)).is_err(), "{left}");
        }
        drop(first.pop());
        let again = limiter.admit(Class::Paying, network(1));
        assert!(again.is_ok(), "it has nine");
        let refused = limiter.admit(Class::Paying, network(1)).err();
        assert_eq!(refused, Some(AdmissionRefusal::NetworkShare));
        assert!(limiter.admit(Class::Paying, network(4)).is_ok());

        let refused: Vec<u64> = limiter.refusals().map(|(_, count)| count).collect();
        assert_eq!(refused, [2, 0, 0], "because the server was full");
        let refused: Vec<u64> = limiter.network_refusals().map(|(_, count)| count).collect();
        assert_eq!(refused, [13, 0, 0], "because the network had its share");
        drop((first, second, third, again));
        assert_eq!(fill(&limiter, Class::Paying, 1).len(), 20, "all are free");
    }

    #[test]
    fn a_network_does_not_get_a_share_of_each_class() {
        let settings = LimiterSettings::fixed(256);
        let limiter = Arc::new(ConcurrencyLimiter::new(settings));
        let paying = fill(&limiter, Class::Paying, 1);
        assert_eq!(paying.len(), 128, "half of the room");
        assert!(fill(&limiter, Class::Browsing, 1).is_empty(), "it has more");
        let browsing = fill(&limiter, Class::Browsing, 2);
        assert_eq!(browsing.len(), 51, "a quarter of 204");
        let also_paying = fill(&limiter, Class::Paying, 2);
        assert_eq!(also_paying.len(), 13, "64 in all, a quarter of 256");
        drop((browsing, also_paying));
        assert_eq!(fill(&limiter, Class::Browsing, 2).len(), 51);
    }

    #[test]
    fn a_site_of_ipv6_gets_half_of_a_busy_server() {
        let limiter = Arc::new(ConcurrencyLimiter::new(LimiterSettings::fixed(40)));
        // Each request is from another network of the site.
        let fill_site = || -> Vec<Admitted> {
            let network = |last: u16| IpAddr::from([0x2001, 0xdb8, 1, last, 0, 0, 0, 0]);
            let admit = |last| limiter.admit(Class::Paying, Some(network(last))).ok();
            (0..40).map_while(admit).collect()
        };
        let mut site = fill_site();
        assert_eq!(site.len(), 20, "half of the room");
        let other = fill(&limiter, Class::Paying, 1);
        assert_eq!(other.len(), 10, "a quarter of it");
        drop(site.pop());
        assert_eq!(fill_site().len(), 1, "it has 19");
        assert!(limiter.refusals().all(|(_, count)| count == 0));
    }

    #[test]
    fn every_network_gets_a_place_of_a_small_server() {
        let limiter = Arc::new(ConcurrencyLimiter::new(LimiterSettings::fixed(3)));
        let busy = admit(&limiter, Class::Paying, 2);
        let first = limiter.admit(Class::Paying, network(1));
        assert!(first.is_ok(), "a quarter of three is one");
        drop(busy);
        let _others = admit(&limiter, Class::Paying, 1);
        assert!(limiter.admit(Class::Paying, network(1)).is_err());
        assert!(limiter.admit(Class::Paying, network(2)).is_ok());
    }

    #[test]
    fn a_client_without_a_share_may_fill_the_server() {
        let limiter = limiter();
        let all = admit(&limiter, Class::Paying, 10);
        assert!(limiter.admit(Class::Paying, None).is_err());
        drop(all);
        assert!(limiter.network_refusals().all(|(_, count)| count == 0));
    }

    #[test]
    fn a_late_answer_lowers_the_limit_by_a_tenth_once_in_a_while() {
        let (limiter, now) = (limiter(), Instant::now());
        let busy = admit(&limiter, Class::Paying, 10);
        let last = busy.last().expect("ten");
        last.answered(SLOW, now, true);
        assert_eq!(limiter.limit(), 9);
        last.answered(SLOW, now + Duration::from_millis(499), true);
        assert_eq!(limiter.limit(), 9, "from before the decrease");
        last.answered(SLOW, now + Duration::from_millis(500), true);
        assert_eq!(limiter.limit(), 8);
        for second in 1..60 {
            last.answered(SLOW, now + Duration::from_secs(second), true);
        }
        assert_eq!(limiter.limit(), 4, "never below the minimum");
    }

    #[test]
    fn answers_in_time_raise_the_limit_slowly() {
        let (limiter, now) = (limiter(), Instant::now());
        let busy = admit(&limiter, Class::Paying, 10);
        let last = busy.last().expect("ten");
        for _ in 0..10 {
            last.answered(FAST, now, true);
        }
        assert_eq!(limiter.limit(), 11);
        for _ in 0..1_000 {
            last.answered(FAST, now, true);
        }
        assert_eq!(limiter.limit(), 20, "never above the maximum");
    }

    #[test]
    fn quick_refusals_raise_nothing_and_late_ones_lower_the_limit() {
        let (limiter, now) = (limiter(), Instant::now());
        let busy = admit(&limiter, Class::Paying, 10);
        let last = busy.last().expect("ten");
        for _ in 0..1_000 {
            last.answered(FAST, now, false);
        }
        assert_eq!(limiter.limit(), 10);
        last.answered(SLOW, now, false);
        assert_eq!(limiter.limit(), 9);
    }

    #[test]
    fn an_answer_of_an_idle_server_says_nothing_about_the_load() {
        let (limiter, now) = (limiter(), Instant::now());
        let idle = admit(&limiter, Class::Paying, 4);
        for admitted in &idle {
            admitted.answered(SLOW, now, true);
            admitted.answered(FAST, now, true);
        }
        assert_eq!(limiter.limit(), 10);
        let half = admit(&limiter, Class::Paying, 1);
        half[0].answered(SLOW, now, true);
        assert_eq!(limiter.limit(), 9);
    }

    /// A server that answers so many requests in each 100 ms, and is offered five times as many.
    #[test]
    fn under_overload_the_limit_settles_where_answers_are_in_time() {
        const PER_TICK: usize = 20;
        let settings = LimiterSettings {
            initial: 256,
            min: 8,
            max: 2_048,
            latency_target: Duration::from_millis(500),
        };
        let limiter = Arc::new(ConcurrencyLimiter::new(settings));
        let (begin, mut queue) = (Instant::now(), std::collections::VecDeque::new());
        let mut answered = 0;
        for tick in 0..600_u32 {
            let now = begin + Duration::from_millis(100) * tick;
            for _ in 0..PER_TICK * 5 {
                if let Ok(admitted) = limiter.admit(Class::Browsing, None) {
                    queue.push_back((now, admitted));
                }
            }
            for _ in 0..PER_TICK {
                let Some((since, admitted)) = queue.pop_front() else {
                    break;
                };
                let latency = now.saturating_duration_since(since);
                admitted.answered(latency, now, true);
                answered += 1;
                let is_settled = tick > 100;
                let bound = Duration::from_secs(1);
                assert!(!is_settled || latency < bound, "{tick}: {latency:?}");
            }
        }
        // It never ran out of work.
        assert_eq!(answered, 600 * PER_TICK);
    }

    #[test]
    fn each_class_is_in_the_order_of_its_list() {
        for (position, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, position);
        }
    }
}
