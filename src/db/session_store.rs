//! The store for tower-sessions' records, in the `session` table.
//!
//! A session reads its record once and writes it as a whole, so a record must not contain data that
//! two requests may change at once: the cart has its own tables, and the record holds only its id.
//! A request that began before the session had a cart must not remove it: [`merge`] keeps it.

use std::collections::HashMap;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, QueryFilter, TryInsertResult,
    sea_query::{Expr, ExprTrait},
};
use serde_json::Value;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};

use super::{
    Db,
    entity::session,
    retention::{ExpiredRows, read_key},
    txn::{self, Abort, Policy},
};

/// Sessions that expired: 30 days after their last change.
pub const EXPIRED_SESSIONS: ExpiredRows = ExpiredRows {
    name: "sessions",
    table: "session",
    key: "id",
    emptied_column: None,
    read_key: read_key::<String>,
    is_expired: |now, age| session::Column::ExpiresAt.lt(now - age),
    age: time::Duration::ZERO,
};

/// In a new record: the id that it is to have, if it is free. It is not stored.
///
/// Two requests of a visitor without a session choose the same id, and meet in one session.
pub const CHOSEN_ID_KEY: &str = "chosen_id";

/// The field of a shopper's session data that has the id of their cart.
const CART_FIELD: &str = "cart_id";

type Data = HashMap<String, Value>;

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
        let data = record.data.clone();
        txn::run_for_result(&self.db, Policy::request("save session"), move |work| {
            let (id, mut row, mut data) = (id.clone(), row.clone(), data.clone());
            Box::pin(async move {
                let stored = session::Entity::find_by_id(id.clone())
                    .one(work.connection())
                    .await?;
                let Some(stored) = stored else {
                    return Ok(());
                };
                merge(&stored.data, &mut data)?;
                row.data = Set(encode_data(&data)?);
                let updated = session::Entity::update_many()
                    .set(row)
                    .filter(session::Column::Id.eq(id))
                    .filter(session::Column::Data.eq(stored.data))
                    .exec(work.connection())
                    .await?;
                // Another request has saved the session in the meantime.
                if updated.rows_affected == 0 {
                    return Err(Abort::Conflict);
                }
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

/// Adds to `data` what only the stored record has: a value that another request has set since, or
/// its cart. No request ever removes these from a session that continues.
fn merge(stored: &str, data: &mut Data) -> std::result::Result<(), DbErr> {
    let stored: Data =
        serde_json::from_str(stored).map_err(|error| DbErr::Json(error.to_string()))?;
    for (key, value) in stored {
        let Some(new) = data.get_mut(&key) else {
            data.insert(key, value);
            continue;
        };
        let cart = value.get(CART_FIELD).filter(|cart| !cart.is_null());
        if let (Some(cart), Some(new)) = (cart, new.as_object_mut())
            && new.get(CART_FIELD).is_none_or(Value::is_null)
        {
            new.insert(CART_FIELD.to_owned(), cart.clone());
        }
    }
    Ok(())
}

fn encode_data(data: &Data) -> std::result::Result<String, DbErr> {
    serde_json::to_string(data).map_err(|error| DbErr::Json(error.to_string()))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(stored: &Value, new: &Value) -> Value {
        let mut data: Data = serde_json::from_value(new.clone()).unwrap_or_default();
        let result = merge(&stored.to_string(), &mut data);
        assert!(result.is_ok(), "{stored}");
        json!(data)
    }

    #[test]
    fn a_request_that_began_without_the_cart_does_not_take_it_away() {
        let stored = json!({ "shopper": { "cart_id": "a", "notice": null } });
        let new = json!({ "shopper": { "cart_id": null, "notice": "n" } });
        let both = json!({ "shopper": { "cart_id": "a", "notice": "n" } });
        assert_eq!(merged(&stored, &new), both);
        assert_eq!(merged(&stored, &json!({})), stored);
        let other = json!({ "shopper": { "cart_id": "b", "notice": null } });
        assert_eq!(merged(&stored, &other), other);
        let shown = json!({ "shopper": { "cart_id": "a", "notice": null } });
        assert_eq!(merged(&both, &shown), shown, "a notice is removed");
        let signed_in = json!({ "admin": "password", "shopper": { "cart_id": "a" } });
        assert_eq!(merged(&stored, &signed_in)["admin"], "password");
    }
}
