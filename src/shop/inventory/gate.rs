//! The stock gate: a counter in Redis in front of the stock row.
//!
//! The row decides; the gate stores the newest level of the row that was written to it (`available`
//! at `version`) and the leases of purchases that are on their way to the row. A purchase reserves
//! a lease under its key, goes to the row, and then confirms with the level that it left there, or
//! releases. A level with an older version is ignored, and ending a lease twice does nothing, so
//! the order in which purchases confirm does not matter. If a purchase never returns, its lease
//! expires.
//!
//! Nothing in Redis can sell or lose a unit:
//! - A gate that lets too many through does no harm: the row refuses.
//! - A gate with too few units left refuses no one: the purchase goes to the row, under its lock.
//!   Only what the row refused less than [`REFUSAL_TTL`] ago is refused again without asking it, as
//!   from the sold-out cache, but for all servers.
//! - A gate that was written at another start of Redis, or that does not exist, is unknown:
//!   purchases go to the row, and the first of them writes its level to the gate. So does
//!   [`crate::shop::gates`].
//!
//! See docs/decisions/0045-redis-in-front-of-the-row.md.

pub mod details;
pub(super) mod keys;
pub mod lock;
mod locked_purchase;
mod scripts;
pub mod take;
pub mod ticket;

pub use details::{GateDetails, Lease};
pub use lock::ProductLock;
pub use locked_purchase::LockedPurchase;
pub use ticket::Ticket;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use self::{
    keys::Keys,
    scripts::{FORGET, GATES, INSPECT, RELEASE, RESERVE, STORE_LEVEL},
};
use super::{
    counters::Level, process_locks::ProcessLocks, queue_followers::Followers, sold_out::REFUSAL_TTL,
};
use crate::{
    model::ShopError,
    redis::{Redis, Unavailable},
    shop::Shop,
};

/// How long a purchase may be on its way to the row. It is longer than the deadline of a request.
pub const LEASE: Duration = Duration::from_secs(10);
/// How long a gate is kept that no purchase uses.
const KEPT: Duration = Duration::from_secs(3_600);
/// The most gates that are listed: those that were used last.
const LISTED_MAX: u64 = 1_000;

/// The gates of one shop; clones share the connection.
#[derive(Clone, Debug)]
pub struct StockGate(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    redis: Redis,
    keys: Keys,
    /// The buyers of this process who wait for a lock of Redis: only the first of them asks it.
    waiting: ProcessLocks,
    /// The orders of this process that are in the queue beside the gates.
    followers: Arc<Followers>,
}

/// Units of one product for the purchase with this key.
#[derive(Clone, Debug)]
pub struct Reservation {
    pub product_id: i64,
    pub units: i64,
    pub key: String,
}

/// The answer of the gate to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The gate has no level of this product, or Redis is unavailable: the row decides.
    Unknown,
    /// The units are leased to the purchase.
    Reserved { left: i64 },
    /// Too few units are left, by the level in the gate: the row decides.
    Short { left: i64 },
    /// The row has just refused as many units.
    Refused(RecentRefusal),
}

/// A refusal of the row, a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentRefusal {
    pub available: i64,
    pub version: i64,
    /// Not later than the refusal by the clock of Redis.
    pub at: Instant,
}

impl RecentRefusal {
    /// A refusal that was `age` old when Redis answered a question that was `sent` before. `None`
    /// if the clock of this machine does not reach back so far.
    pub fn aged(available: i64, version: i64, sent: Instant, age: Duration) -> Option<Self> {
        let at = sent.checked_sub(age)?;
        Some(Self {
            available,
            version,
            at,
        })
    }

    /// True if it is too old to be repeated, because the purchase has waited since, or if this
    /// process knows a newer version of the row: units that it has released are for sale at once.
    pub fn is_outdated(&self, shop: &Shop, product_id: i64) -> bool {
        let known = shop.feed().latest(&[product_id]);
        self.at.elapsed() >= REFUSAL_TTL || known.iter().any(|change| change.version > self.version)
    }
}

/// The clock of Redis when it answered: only by this clock can a refusal be dated for all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisClock {
    ms: i64,
    /// When the answer arrived, which is after Redis has read its clock.
    read: Instant,
}

impl RedisClock {
    /// The clock as an answer shows it that has just arrived, in milliseconds.
    pub fn of_answer(ms: i64) -> Self {
        Self {
            ms,
            read: Instant::now(),
        }
    }

    /// The time by the clock of Redis at an instant after the answer: not later than the true one.
    pub fn at(self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.read).as_millis();
        self.ms
            .saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

/// A gate as it is in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateState {
    /// True if it was written at this start of Redis: otherwise no purchase uses it.
    pub is_current: bool,
    pub level: Level,
    /// Units of all leases, as the gate counts them.
    pub leased: i64,
    /// Units of the leases that have not run out.
    pub active: i64,
    pub leases: i64,
    /// True if [`GateState::leased`] is the sum of the leases.
    pub adds_up: bool,
}

impl GateState {
    /// The units that the gate would still let through.
    pub const fn left(&self) -> i64 {
        self.level.available - self.active
    }
}

/// How a level is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelWrite {
    /// If it is newer than what is known.
    IfNewer,
    /// Whatever is known.
    Always,
}

impl Shop {
    /// Opens the gates of this shop in Redis. Their keys contain an identifier that the database
    /// stores, so that several shops may share a Redis.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] if the database is.
    pub async fn open_gate(&self, redis: Redis) -> Result<StockGate, ShopError> {
        let namespace = self.operation().redis_namespace().await?;
        Ok(StockGate::new(redis, &namespace))
    }
}

impl StockGate {
    /// Creates the gates whose keys begin with `namespace`.
    pub fn new(redis: Redis, namespace: &str) -> Self {
        Self(Arc::new(Parts {
            redis,
            keys: Keys::of(namespace),
            waiting: ProcessLocks::separate(),
            followers: Arc::default(),
        }))
    }

    /// Returns the same gates as another process has them: the two share nothing in memory but the
    /// connection.
    #[must_use]
    pub fn in_another_process(&self) -> Self {
        Self(Arc::new(Parts {
            redis: self.0.redis.clone(),
            keys: self.0.keys.clone(),
            waiting: ProcessLocks::separate(),
            followers: Arc::default(),
        }))
    }

    /// The names of this shop's keys.
    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// The orders of this process that are in the queue: all of its shops share a consumer.
    pub(in crate::shop) fn followers(&self) -> &Arc<Followers> {
        &self.0.followers
    }

    /// The connection to Redis.
    pub fn redis(&self) -> &Redis {
        &self.0.redis
    }

    /// Reserves the units until the lease runs out. A second reservation under the same key is the
    /// same one, and begins its lease again.
    pub async fn reserve(
        &self,
        reservation: &Reservation,
        lease: Duration,
    ) -> Result<(Admission, RedisClock), Unavailable> {
        let keys = self.0.keys.of_gate(reservation.product_id);
        let arguments = [
            reservation.units.to_string(),
            reservation.key.clone(),
            lease.as_millis().to_string(),
            KEPT.as_millis().to_string(),
            REFUSAL_TTL.as_millis().to_string(),
        ];
        let sent = Instant::now();
        let answer: (i64, Vec<i64>) = self.0.redis.run(&RESERVE, &keys, &arguments).await?;
        let (ms, answer) = answer;
        let clock = RedisClock::of_answer(ms);
        let admission = match answer.as_slice() {
            [1, left] => Admission::Reserved { left: *left },
            [2, left] => Admission::Short { left: *left },
            [3, available, version, age_ms] => {
                let age = Duration::from_millis(u64::try_from(*age_ms).unwrap_or(u64::MAX));
                RecentRefusal::aged(*available, *version, sent, age)
                    .map_or(Admission::Unknown, Admission::Refused)
            }
            _ => Admission::Unknown,
        };
        Ok((admission, clock))
    }

    /// Ends the lease of a purchase that is committed and has left this `level`. Returns false if
    /// the lease had run out or was ended before, which changes nothing else.
    pub async fn confirm(
        &self,
        reservation: &Reservation,
        level: Level,
    ) -> Result<bool, Unavailable> {
        self.run_store_level(reservation, level, None, LevelWrite::IfNewer)
            .await
    }

    /// Ends the lease of a purchase that the row refused at this `level` and under its lock, at
    /// `at_ms` by the clock of Redis. Until [`REFUSAL_TTL`] later, the gate repeats the refusal to
    /// others: a message that is delivered after that repeats nothing.
    pub async fn refuse(
        &self,
        reservation: &Reservation,
        level: Level,
        at_ms: i64,
    ) -> Result<bool, Unavailable> {
        self.run_store_level(reservation, level, Some(at_ms), LevelWrite::IfNewer)
            .await
    }

    /// Ends the lease of a purchase that took nothing. Returns false if the lease had run out or
    /// was ended before: a release after a confirmation returns no unit.
    pub async fn release(&self, reservation: &Reservation) -> Result<bool, Unavailable> {
        let keys = self.0.keys.of_gate(reservation.product_id);
        let arguments = [reservation.units.to_string(), reservation.key.clone()];
        let ended: i64 = self.0.redis.run(&RELEASE, &keys, &arguments).await?;
        Ok(ended == 1)
    }

    /// Stores a level of a product's row in its gate.
    pub async fn store_level(
        &self,
        product_id: i64,
        level: Level,
        write: LevelWrite,
    ) -> Result<(), Unavailable> {
        let nothing = Reservation {
            product_id,
            units: 0,
            key: String::new(),
        };
        self.run_store_level(&nothing, level, None, write)
            .await
            .map(drop)
    }

    /// Stores in the gate of a product the level at which the row refused a purchase under its
    /// lock, at `at_ms` by the clock of Redis, as [`refuse`](Self::refuse) does.
    pub async fn store_rejection(
        &self,
        product_id: i64,
        level: Level,
        at_ms: i64,
    ) -> Result<(), Unavailable> {
        let nothing = Reservation {
            product_id,
            units: 0,
            key: String::new(),
        };
        self.run_store_level(&nothing, level, Some(at_ms), LevelWrite::IfNewer)
            .await
            .map(drop)
    }

    /// Reads the gate of a product; `None` if there is none.
    pub async fn inspect(&self, product_id: i64) -> Result<Option<GateState>, Unavailable> {
        let keys = self.0.keys.of_gate(product_id);
        let answer: Vec<i64> = self.0.redis.run(&INSPECT, &keys, &[]).await?;
        Ok(match answer.as_slice() {
            [
                is_current,
                available,
                version,
                leased,
                active,
                leases,
                adds_up,
            ] => Some(GateState {
                is_current: *is_current == 1,
                level: Level {
                    available: *available,
                    version: *version,
                },
                leased: *leased,
                active: *active,
                leases: *leases,
                adds_up: *adds_up == 1,
            }),
            _ => None,
        })
    }

    /// Returns the products whose gates were used in the last hour, the last used first.
    pub async fn products(&self) -> Result<Vec<i64>, Unavailable> {
        let arguments = [KEPT.as_millis().to_string(), LISTED_MAX.to_string()];
        let keys = [self.0.keys.of_list()];
        let ids: Vec<String> = self.0.redis.run(&GATES, &keys, &arguments).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Removes the gate of a product that no longer exists.
    pub async fn forget(&self, product_id: i64) -> Result<(), Unavailable> {
        let keys = self.0.keys.of_gate(product_id);
        let arguments = [product_id.to_string()];
        let _removed: i64 = self.0.redis.run(&FORGET, &keys, &arguments).await?;
        Ok(())
    }

    /// `refused` is the time of the refusal by the clock of Redis, if the row refused at this
    /// level.
    async fn run_store_level(
        &self,
        reservation: &Reservation,
        level: Level,
        refused: Option<i64>,
        write: LevelWrite,
    ) -> Result<bool, Unavailable> {
        let keys = self.0.keys.of_gate(reservation.product_id);
        let always = match write {
            LevelWrite::IfNewer => "0",
            LevelWrite::Always => "1",
        };
        let arguments = [
            level.available.to_string(),
            level.version.to_string(),
            reservation.units.to_string(),
            reservation.key.clone(),
            REFUSAL_TTL.as_millis().to_string(),
            refused.map_or_else(String::new, |at_ms| at_ms.to_string()),
            KEPT.as_millis().to_string(),
            always.to_owned(),
            reservation.product_id.to_string(),
        ];
        let ended: i64 = self.0.redis.run(&STORE_LEVEL, &keys, &arguments).await?;
        Ok(ended == 1)
    }
}
