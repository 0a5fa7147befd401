//! Counts the wrong passwords of each network in the database, so that all servers of a shop
//! together allow as many as one. Each server also counts them in its memory, and refuses there
//! first.

use std::net::IpAddr;

use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use time::{Duration, OffsetDateTime};

use crate::{
    db::{
        dialect,
        entity::wrong_password,
        locks,
        retention::{self, ExpiredRows},
        txn::{self, Work},
    },
    model::{RequestLimit, ShopError},
    shop::Shop,
};

/// Counts of wrong passwords that are all forgiven.
pub const FORGIVEN_COUNTS: ExpiredRows = ExpiredRows {
    name: "counts of wrong passwords",
    table: "wrong_password",
    key: "network",
    emptied_column: None,
    read_key: retention::read_key::<String>,
    is_expired: |now, age| wrong_password::Column::ForgivenAt.lt(now - age),
    age: Duration::ZERO,
};
/// Wrong passwords that a network may send at once; after that, one every [`FORGIVEN_AFTER`].
pub const WRONG_AT_ONCE_MAX: u32 = 10;
pub const FORGIVEN_AFTER: Duration = Duration::seconds(12);

/// Counts wrong passwords; see [`Shop::wrong_passwords`].
#[derive(Clone, Copy, Debug)]
pub struct WrongPasswords<'a> {
    pub(super) shop: &'a Shop,
}

impl WrongPasswords<'_> {
    /// Counts a password as wrong before it is checked, so that attempts at the same time are all
    /// counted. `network` is an IPv4 address, or the first address of a /64 network of IPv6.
    ///
    /// # Errors
    /// [`ShopError::TooManyRequests`] after too many wrong ones; this one is not counted then.
    pub async fn count(self, network: IpAddr) -> Result<(), ShopError> {
        let network = network.to_string();
        let policy = self.shop.policy("count wrong password");
        let wait = txn::run_for_result(&self.shop.db, policy, move |work| {
            let network = network.clone();
            Box::pin(async move {
                let (now, forgiven_at) = locked(work, &network).await?;
                let tolerated = FORGIVEN_AFTER * (WRONG_AT_ONCE_MAX - 1);
                let wait = forgiven_at - now - tolerated;
                if wait.is_positive() {
                    return Ok(wait);
                }
                store(work, network, forgiven_at + FORGIVEN_AFTER).await?;
                Ok(Duration::ZERO)
            })
        })
        .await?;
        if wait.is_positive() {
            return Err(ShopError::TooManyRequests {
                limit: RequestLimit::Passwords,
                retry_after_s: wait.unsigned_abs().as_secs() + 1,
            });
        }
        Ok(())
    }

    /// Takes back one count of [`WrongPasswords::count`]: the password was not wrong.
    pub async fn forgive(self, network: IpAddr) -> Result<(), ShopError> {
        let network = network.to_string();
        let policy = self.shop.policy("forgive password");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            let network = network.clone();
            Box::pin(async move {
                let (now, forgiven_at) = locked(work, &network).await?;
                let without_this = forgiven_at - FORGIVEN_AFTER;
                if without_this > now {
                    store(work, network, without_this).await?;
                } else {
                    wrong_password::Entity::delete_by_id(network)
                        .exec(work.connection())
                        .await?;
                }
                Ok(())
            })
        })
        .await
        .map_err(ShopError::from)
    }
}

/// Locks the count of a network. Returns the time now, and the time at which all its wrong
/// passwords are forgiven, which is not earlier.
async fn locked(work: &Work, network: &str) -> Result<(OffsetDateTime, OffsetDateTime), DbErr> {
    locks::wrong_passwords_of(work, network).await?;
    // The time after the wait for the lock, and not that of the transaction, which began before.
    let now = dialect::clock_now(work.connection()).await?;
    let row = wrong_password::Entity::find_by_id(network.to_owned())
        .one(work.connection())
        .await?;
    Ok((now, row.map_or(now, |row| row.forgiven_at.max(now))))
}

async fn store(work: &Work, network: String, forgiven_at: OffsetDateTime) -> Result<(), DbErr> {
    let updated = wrong_password::Entity::update_many()
        .col_expr(wrong_password::Column::ForgivenAt, Expr::value(forgiven_at))
        .filter(wrong_password::Column::Network.eq(network.as_str()))
        .exec(work.connection())
        .await?;
    if updated.rows_affected == 0 {
        let row = wrong_password::ActiveModel {
            network: Set(network),
            forgiven_at: Set(forgiven_at),
        };
        wrong_password::Entity::insert(row)
            .exec_without_returning(work.connection())
            .await?;
    }
    Ok(())
}
