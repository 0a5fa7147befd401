//! Counts the wrong guesses of each network in the database, so that all servers of a shop together
//! allow as many as one. Each server also counts them in its memory, and refuses there first.

use std::net::IpAddr;

use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use time::{Duration, OffsetDateTime};

use crate::{
    db::{
        dialect,
        entity::{wrong_guess, wrong_password},
        locks,
        retention::{self, ExpiredRows},
        txn::{self, Work},
    },
    model::{RequestLimit, ShopError},
    shop::Shop,
};

/// Counts of wrong guesses that are all forgiven.
pub const FORGIVEN_COUNTS: ExpiredRows = ExpiredRows {
    name: "counts of wrong guesses",
    table: "wrong_guess",
    key: "kind_and_network",
    emptied_column: None,
    read_key: retention::read_key::<String>,
    is_expired: |now, age| wrong_guess::Column::ForgivenAt.lt(now - age),
    age: Duration::ZERO,
};
/// The same in the table in which servers of the previous version count passwords.
pub const FORGIVEN_PASSWORD_COUNTS: ExpiredRows = ExpiredRows {
    name: "counts of wrong passwords",
    table: "wrong_password",
    key: "network",
    emptied_column: None,
    read_key: retention::read_key::<String>,
    is_expired: |now, age| wrong_password::Column::ForgivenAt.lt(now - age),
    age: Duration::ZERO,
};

/// A network can collect at most this many times its allowance. Guesses that are checked at the
/// same time are all counted, and must not block a network for hours.
pub const ALLOWANCES_MAX: u32 = 10;

/// What is guessed. Each kind has its own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessKind {
    /// The password of the administrator.
    Password,
    /// An order number, or a discount code.
    OrderOrCode,
}

impl GuessKind {
    /// Wrong guesses that a network may send at once; after that, one every
    /// [`GuessKind::forgiven_after`].
    pub const fn at_once_max(self) -> u32 {
        match self {
            Self::Password => 10,
            Self::OrderOrCode => 20,
        }
    }

    /// The time after which one wrong guess is forgiven.
    pub const fn forgiven_after(self) -> Duration {
        match self {
            Self::Password => Duration::seconds(12),
            Self::OrderOrCode => Duration::seconds(6),
        }
    }

    /// What a refusal names.
    pub const fn limit(self) -> RequestLimit {
        match self {
            Self::Password => RequestLimit::Passwords,
            Self::OrderOrCode => RequestLimit::Guesses,
        }
    }

    /// The key of a network's count.
    fn key(self, network: IpAddr) -> String {
        let kind = match self {
            Self::Password => "password",
            Self::OrderOrCode => "order or code",
        };
        format!("{kind} {network}")
    }

    /// Returns how long a network has to wait, if its guesses are all forgiven at this time.
    fn wait(self, now: OffsetDateTime, forgiven_at: OffsetDateTime) -> Duration {
        forgiven_at - now - self.forgiven_after() * (self.at_once_max() - 1)
    }

    fn refuse_for(self, wait: Duration) -> Result<(), ShopError> {
        if wait.is_positive() {
            return Err(ShopError::TooManyRequests {
                limit: self.limit(),
                retry_after_s: wait.unsigned_abs().as_secs() + 1,
            });
        }
        Ok(())
    }
}

/// Counts wrong guesses; see [`Shop::guess_counts`]. A `network` is an IPv4 address, or the first
/// address of a /64 network of IPv6.
#[derive(Clone, Copy, Debug)]
pub struct GuessCounts<'a> {
    pub(super) shop: &'a Shop,
}

impl GuessCounts<'_> {
    /// Counts a guess as wrong before it is checked, so that guesses at the same time are all
    /// counted.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong ones; this one is not counted then.
    pub async fn count(self, kind: GuessKind, network: IpAddr) -> Result<(), ShopError> {
        let key = kind.key(network);
        let policy = self.shop.policy("count guess");
        let wait = txn::run_for_result(&self.shop.db, policy, move |work| {
            let key = key.clone();
            Box::pin(async move {
                let (now, forgiven_at) = locked(work, &key).await?;
                let wait = kind.wait(now, forgiven_at);
                if wait.is_positive() {
                    return Ok(wait);
                }
                store(work, key, forgiven_at + kind.forgiven_after()).await?;
                Ok(Duration::ZERO)
            })
        })
        .await?;
        kind.refuse_for(wait)
    }

    /// Takes back one count of [`GuessCounts::count`]: the guess was not wrong.
    pub async fn forgive(self, kind: GuessKind, network: IpAddr) -> Result<(), ShopError> {
        let key = kind.key(network);
        let policy = self.shop.policy("forgive guess");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            let key = key.clone();
            Box::pin(async move {
                let (now, forgiven_at) = locked(work, &key).await?;
                let without_this = forgiven_at - kind.forgiven_after();
                if without_this > now {
                    store(work, key, without_this).await?;
                } else {
                    wrong_guess::Entity::delete_by_id(key)
                        .exec(work.connection())
                        .await?;
                }
                Ok(())
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Checks whether a network may guess. This does not count a guess, and writes nothing.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong ones.
    pub async fn check(self, kind: GuessKind, network: IpAddr) -> Result<(), ShopError> {
        let reader = self.shop.db.reader();
        let row = wrong_guess::Entity::find_by_id(kind.key(network))
            .one(reader)
            .await
            .map_err(txn::read_error)?;
        let Some(row) = row else {
            return Ok(());
        };
        let now = dialect::now(reader).await.map_err(txn::read_error)?;
        kind.refuse_for(kind.wait(now, row.forgiven_at))
    }

    /// Counts a guess that was wrong, after [`GuessCounts::check`].
    pub async fn add(self, kind: GuessKind, network: IpAddr) -> Result<(), ShopError> {
        let key = kind.key(network);
        let policy = self.shop.policy("add wrong guess");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            let key = key.clone();
            Box::pin(async move {
                let (now, forgiven_at) = locked(work, &key).await?;
                let allowance = kind.forgiven_after() * kind.at_once_max();
                let latest = now + allowance * ALLOWANCES_MAX;
                let forgiven_at = forgiven_at + kind.forgiven_after();
                store(work, key, forgiven_at.min(latest)).await?;
                Ok(())
            })
        })
        .await
        .map_err(ShopError::from)
    }
}

/// Locks a count. Returns the time now, and the time at which all its wrong guesses are forgiven,
/// which is not earlier.
async fn locked(work: &Work, key: &str) -> Result<(OffsetDateTime, OffsetDateTime), DbErr> {
    locks::wrong_guesses_of(work, key).await?;
    // The time after the wait for the lock, and not that of the transaction, which began before.
    let now = dialect::clock_now(work.connection()).await?;
    let row = wrong_guess::Entity::find_by_id(key.to_owned())
        .one(work.connection())
        .await?;
    Ok((now, row.map_or(now, |row| row.forgiven_at.max(now))))
}

async fn store(work: &Work, key: String, forgiven_at: OffsetDateTime) -> Result<(), DbErr> {
    let updated = wrong_guess::Entity::update_many()
        .col_expr(wrong_guess::Column::ForgivenAt, Expr::value(forgiven_at))
        .filter(wrong_guess::Column::KindAndNetwork.eq(key.as_str()))
        .exec(work.connection())
        .await?;
    if updated.rows_affected == 0 {
        let row = wrong_guess::ActiveModel {
            kind_and_network: Set(key),
            forgiven_at: Set(forgiven_at),
        };
        wrong_guess::Entity::insert(row)
            .exec_without_returning(work.connection())
            .await?;
    }
    Ok(())
}
