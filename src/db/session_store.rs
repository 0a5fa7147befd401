//! The store for tower-sessions' records, in the `session` table.
//!
//! The last write to a record replaces the whole record, so a record must not contain data that two
//! requests may change at once: the cart has its own tables, and the record holds only its id.

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, TryInsertResult,
    sea_query::{Expr, ExprTrait},
};
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};

use super::{
    Db,
    entity::session,
    retention::ExpiredRows,
    txn::{self, Policy},
};

/// Sessions that expired: 30 days after their last change.
pub const EXPIRED_SESSIONS: ExpiredRows = ExpiredRows {
    name: "sessions",
    select: "SELECT id::text FROM session WHERE expires_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 day'",
    delete: "DELETE FROM session WHERE id = ANY($1::text[]::bpchar[]) \
             AND expires_at < CURRENT_TIMESTAMP - $2 * INTERVAL '1 day'",
    age: 0,
};

/// In a new record: the id that it is to have, if it is free. It is not stored.
///
/// Two requests of a visitor without a session choose the same id, and meet in one session.
pub const CHOSEN_ID_KEY: &str = "chosen_id";

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct DbSessionStore {
    db: Db,
}

impl DbSessionStore {
    /// Creates a store on the shop's pool.
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    fn to_row(record: &Record) -> Result<session::ActiveModel> {
        Ok(session::ActiveModel {
            id: Set(encode_id(&record.id)),
            data: Set(serde_json::to_string(&record.data)
                .map_err(|error| Error::Encode(error.to_string()))?),
            expires_at: Set(record.expiry_date),
        })
    }

    /// Inserts a session; returns false if the id is taken.
    async fn insert(&self, row: session::ActiveModel) -> Result<bool> {
        txn::run_for_result(&self.db, Policy::request("create session"), move |work| {
            let row = row.clone();
            Box::pin(async move {
                let inserted = session::Entity::insert(row)
                    .on_conflict_do_nothing()
                    .exec_without_returning(work.connection())
                    .await?;
                Ok(matches!(inserted, TryInsertResult::Inserted(1)))
            })
        })
        .await
        .map_err(backend)
    }
}

#[async_trait]
impl SessionStore for DbSessionStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        if let Some(id) = take_chosen_id(record) {
            record.id = id;
            if self.insert(Self::to_row(record)?).await? || self.load(&id).await?.is_some() {
                return Ok(());
            }
            // A session with this id has expired.
            record.id = Id::default();
        }
        while !self.insert(Self::to_row(record)?).await? {
            record.id = Id::default();
        }
        Ok(())
    }

    /// Updates an existing session and never recreates one: otherwise a request that began before
    /// its visitor signed out would sign them in again.
    async fn save(&self, record: &Record) -> Result<()> {
        let (id, row) = (encode_id(&record.id), Self::to_row(record)?);
        txn::run_for_result(&self.db, Policy::request("save session"), move |work| {
            let (id, row) = (id.clone(), row.clone());
            Box::pin(async move {
                session::Entity::update_many()
                    .set(row)
                    .filter(session::Column::Id.eq(id))
                    .exec(work.connection())
                    .await?;
                Ok(())
            })
        })
        .await
        .map_err(backend)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row = session::Entity::find_by_id(encode_id(id))
            .filter(Expr::col(session::Column::ExpiresAt).gt(Expr::current_timestamp()))
            .one(self.db.reader())
            .await
            .map_err(backend)?;
        row.map(|row| {
            Ok(Record {
                id: *id,
                data: serde_json::from_str(&row.data)
                    .map_err(|error| Error::Decode(error.to_string()))?,
                expiry_date: row.expires_at,
            })
        })
        .transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let id = encode_id(id);
        txn::run_for_result(&self.db, Policy::request("delete session"), move |work| {
            let id = id.clone();
            Box::pin(async move {
                session::Entity::delete_by_id(id)
                    .exec(work.connection())
                    .await?;
                Ok(())
            })
        })
        .await
        .map_err(backend)
    }
}

/// Removes the chosen id from a new record and returns it.
fn take_chosen_id(record: &mut Record) -> Option<Id> {
    let chosen = record.data.remove(CHOSEN_ID_KEY)?;
    chosen.as_str()?.parse().ok().map(Id)
}

/// Encodes an id as 32 hexadecimal digits, as the table stores it. The cookie holds the id itself.
fn encode_id(id: &Id) -> String {
    format!("{:032x}", id.0.cast_unsigned())
}

fn backend(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}
