//! What the servers of one shop share beside the trade: signs of life, and the secret between shop and provider.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, EntityTrait,
};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::{server_heartbeat, shop_secret},
        txn::{self, TxnError},
    },
    model::ShopError,
    shop::Shop,
};

/// Heartbeats of servers that have been silent for so many days are forgotten.
const SILENT_KEPT_DAYS: u32 = 7;
/// A server that was silent for longer than this, in seconds, has started anew: it was asleep, or its database was away.
const SILENCE_MAX_S: u32 = 15;
/// The name of the secret between shop and provider.
const PAYMENT_SECRET: &str = "payment";

impl Shop {
    /// Says that this server lives. The first call is its start, and so is the first after [`SILENCE_MAX_S`]: what was due
    /// before it is nobody's fault.
    ///
    /// # Errors
    /// What the database says.
    pub async fn beat(&self, server_id: Uuid) -> Result<(), TxnError> {
        txn::run_for_result(&self.db, self.policy("heartbeat"), move |work| {
            Box::pin(async move {
                let sql = "UPDATE server_heartbeat SET beat_at = CURRENT_TIMESTAMP, \
                             started_at = CASE WHEN beat_at < CURRENT_TIMESTAMP - $2 * INTERVAL '1 second' \
                                               THEN CURRENT_TIMESTAMP ELSE started_at END \
                           WHERE server_id = $1";
                let values = [server_id.into(), f64::from(SILENCE_MAX_S).into()];
                let beaten = work
                    .connection()
                    .execute_raw(dialect::statement(sql, values))
                    .await?;
                if beaten.rows_affected() == 0 {
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

    /// Forgets servers that have been silent for long.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_silent_servers(&self) -> Result<u64, TxnError> {
        txn::run_for_result(&self.db, self.policy("forget silent servers"), |work| {
            Box::pin(async move {
                let sql = "DELETE FROM server_heartbeat WHERE beat_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 day'";
                let done = work
                    .connection()
                    .execute_raw(dialect::statement(sql, [f64::from(SILENT_KEPT_DAYS).into()]))
                    .await?;
                Ok(done.rows_affected())
            })
        })
        .await
    }

    /// The secret that this database's shop and its provider share; made when it is first asked for.
    ///
    /// # Errors
    /// What the database failure means.
    pub async fn payment_secret(&self) -> Result<String, ShopError> {
        let made = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        txn::run_for_result(&self.db, self.policy("payment secret"), move |work| {
            let made = made.clone();
            Box::pin(async move {
                let row = shop_secret::ActiveModel {
                    name: Set(PAYMENT_SECRET.to_owned()),
                    value: Set(made.clone()),
                };
                shop_secret::Entity::insert(row)
                    .on_conflict_do_nothing()
                    .exec_without_returning(work.connection())
                    .await?;
                let known = shop_secret::Entity::find_by_id(PAYMENT_SECRET.to_owned())
                    .one(work.connection())
                    .await?;
                Ok(known.map_or(made, |row| row.value))
            })
        })
        .await
        .map_err(ShopError::from)
    }
}
