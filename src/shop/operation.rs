//! Data that the server processes of one shop share apart from sales: heartbeats, the secret
//! between shop and payment provider, and the secret that signs links to a customer's orders.

mod figures;

pub use figures::ShopFigures;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use time::Duration;
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::{server_heartbeat, shop_secret},
        retention::{self, ExpiredRows},
        txn::{self, TxnError},
    },
    model::ShopError,
    shop::Shop,
};

/// The rows of server processes that have had no heartbeat for seven days.
pub const OLD_HEARTBEATS: ExpiredRows = ExpiredRows {
    name: "heartbeats of stopped servers",
    table: "server_heartbeat",
    key: "server_id",
    emptied_column: None,
    read_key: retention::read_key::<Uuid>,
    is_expired: |now, age| server_heartbeat::Column::BeatAt.lt(now - age),
    age: Duration::days(7),
};
/// Maximum gap between two heartbeats. After a longer gap the server process counts as restarted:
/// the machine was asleep, or the database was unreachable.
pub const HEARTBEAT_GAP_MAX: Duration = Duration::seconds(15);
/// The name of the secret between shop and provider.
const PAYMENT_SECRET: &str = "payment";
/// The name of the secret that signs links to a customer's orders. The provider does not know it.
const LINK_SECRET: &str = "customer links";
/// The name of the secret that signs events to a subscriber.
pub(super) const EVENT_SECRET: &str = "events";
/// The name of the identifier with which the keys of this shop in Redis begin.
const REDIS_NAMESPACE: &str = "redis namespace";

/// Characters of that identifier: enough to be unique.
const NAMESPACE_LEN: usize = 12;

/// Keeps what the server processes share; see [`Shop::operation`].
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    pub(super) shop: &'a Shop,
}

impl Operation<'_> {
    /// Records a heartbeat of this server process. The first call sets its start time; so does the
    /// first call after a gap of more than [`HEARTBEAT_GAP_MAX`]: the audit does not count work
    /// that became due before the start as late.
    pub async fn record_heartbeat(self, server_id: Uuid) -> Result<(), TxnError> {
        txn::run_for_result(&self.shop.db, self.shop.policy("heartbeat"), move |work| {
            Box::pin(async move {
                // The time of this transaction, which writes nothing else.
                let now = dialect::now(work.connection()).await?;
                let beat_at = server_heartbeat::Column::BeatAt;
                let started_at = Expr::case(beat_at.lt(now - HEARTBEAT_GAP_MAX), now)
                    .finally(Expr::col(server_heartbeat::Column::StartedAt));
                let updated = server_heartbeat::Entity::update_many()
                    // Before the heartbeat: MySQL evaluates assignments in their order.
                    .col_expr(server_heartbeat::Column::StartedAt, started_at.into())
                    .col_expr(beat_at, Expr::value(now))
                    .filter(server_heartbeat::Column::ServerId.eq(server_id))
                    .exec(work.connection())
                    .await?;
                if updated.rows_affected == 0 {
                    let row = server_heartbeat::ActiveModel {
                        server_id: Set(server_id),
                        started_at: NotSet,
                        beat_at: NotSet,
                    };
                    server_heartbeat::Entity::insert(row)
                        .exec_without_returning(work.connection())
                        .await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Returns the secret that the shop and the payment provider of this database share. The first
    /// call generates it.
    pub async fn payment_secret(self) -> Result<String, ShopError> {
        self.secret(PAYMENT_SECRET).await
    }

    /// Returns the secret that signs links to a customer's orders. The first call generates it; the
    /// operator who deletes its row invalidates all links.
    pub async fn link_secret(self) -> Result<String, ShopError> {
        self.secret(LINK_SECRET).await
    }

    /// Returns the secret that signs events to a subscriber. The first call generates it.
    pub async fn event_secret(self) -> Result<String, ShopError> {
        self.secret(EVENT_SECRET).await
    }

    /// Returns the identifier with which the keys of this shop in Redis begin. The first call
    /// generates it; the operator who deletes its row lets all servers begin with new keys when
    /// they start again.
    pub async fn redis_namespace(self) -> Result<String, ShopError> {
        let mut identifier = self.secret(REDIS_NAMESPACE).await?;
        identifier.truncate(NAMESPACE_LEN);
        Ok(identifier)
    }

    async fn secret(self, name: &'static str) -> Result<String, ShopError> {
        let stored = shop_secret::Entity::find_by_id(name.to_owned())
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        if let Some(row) = stored {
            return Ok(row.value);
        }
        let generated = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        txn::run_for_result(
            &self.shop.db,
            self.shop.policy("shop secret"),
            move |work| {
                let generated = generated.clone();
                Box::pin(async move {
                    let row = shop_secret::ActiveModel {
                        name: Set(name.to_owned()),
                        value: Set(generated.clone()),
                    };
                    shop_secret::Entity::insert(row)
                        .on_conflict_do_nothing()
                        .exec_without_returning(work.connection())
                        .await?;
                    let stored = shop_secret::Entity::find_by_id(name.to_owned())
                        .one(work.connection())
                        .await?;
                    Ok(stored.map_or(generated, |row| row.value))
                })
            },
        )
        .await
        .map_err(ShopError::from)
    }
}
