//! Idempotency keys: the same key with the same request returns the same response; the same key
//! with another request is rejected.
//!
//! A transaction claims a key by inserting it before it does the work. A concurrent request with
//! the same key waits for that insert, and then finds either the stored response or, after a
//! rollback, no row. A rejected request can therefore be retried with the same key. So can a
//! request that was accepted and had no effect in the end: [`free`] deletes its key.

mod key;

pub use key::Key;

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, TryInsertResult,
    sea_query::Expr,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    db::{
        Db, dialect,
        entity::idempotency_key,
        retention::{self, ExpiredRows},
        txn::{self, Abort, Work},
    },
    model::ShopError,
};

/// Keys whose response has been stored for 72 hours.
pub const OLD_KEYS: ExpiredRows = ExpiredRows {
    name: "idempotency keys",
    table: "idempotency_key",
    key: "key",
    emptied_column: None,
    read_key: retention::read_key::<String>,
    is_expired: |now, age| idempotency_key::Column::CreatedAt.lt(now - age),
    age: time::Duration::hours(72),
};

/// A key with a fingerprint of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    key: Key,
    fingerprint: String,
}

impl Claim {
    /// Creates a claim of `key` for `operation` with `parts`: all values by which two requests can
    /// differ.
    pub fn new(key: Key, operation: &str, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(&operation).chain(parts) {
            // The length distinguishes ("ab", "c") from ("a", "bc").
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self {
            key,
            fingerprint: hex::encode(hash.finalize()),
        }
    }

    /// A claim that was written down, as it was created.
    pub fn of_stored(key: String, fingerprint: String) -> Self {
        Self {
            key: Key::of_stored(key),
            fingerprint,
        }
    }

    /// The key, as it is stored.
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    /// The fingerprint that identifies the request.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Claims the key, or returns the response that is stored under it.
///
/// # Errors
/// [`ShopError::IdempotencyKeyReused`] if the key belongs to another request.
pub async fn claim<T: DeserializeOwned>(
    work: &Work,
    claim: Option<&Claim>,
) -> Result<Option<T>, Abort> {
    let Some(claim) = claim else {
        return Ok(None);
    };
    let row = idempotency_key::ActiveModel {
        key: Set(claim.key().to_owned()),
        fingerprint: Set(claim.fingerprint.clone()),
        response: NotSet,
        created_at: NotSet,
    };
    let inserted = work
        .time_lock_wait(
            idempotency_key::Entity::insert(row)
                .on_conflict_do_nothing()
                .exec_without_returning(work.connection()),
        )
        .await?;
    if matches!(inserted, TryInsertResult::Inserted(1)) {
        return Ok(None);
    }
    let row = idempotency_key::Entity::find_by_id(claim.key().to_owned())
        .one(work.connection())
        .await?
        // The key existed a moment ago and has been freed: the retry claims it.
        .ok_or(Abort::Conflict)?;
    // A repeated response must be as durable as the first one.
    dialect::flush_at_commit(work.connection()).await?;
    StoredResponse::of(row).to(claim).map(Some)
}

/// Returns the responses stored under `keys`, by key.
pub async fn stored_responses(
    work: &Work,
    keys: Vec<String>,
) -> Result<HashMap<String, StoredResponse>, DbErr> {
    let rows = idempotency_key::Entity::find()
        .filter(dialect::text_in(idempotency_key::Column::Key, keys))
        .all(work.connection())
        .await?;
    if !rows.is_empty() {
        dialect::flush_at_commit(work.connection()).await?;
    }
    let responses = rows
        .into_iter()
        .map(|row| (row.key.clone(), StoredResponse::of(row)));
    Ok(responses.collect())
}

/// Returns the response that is stored under the key, outside of a transaction; `None` if there is
/// none for this request.
pub async fn stored_response<T: DeserializeOwned>(
    db: &Db,
    claim: &Claim,
) -> Result<Option<T>, DbErr> {
    let row = idempotency_key::Entity::find_by_id(claim.key().to_owned())
        .one(db.reader())
        .await?;
    Ok(row.and_then(|row| StoredResponse::of(row).to(claim).ok()))
}

/// A stored response with the fingerprint of its request.
#[derive(Clone, Debug)]
pub struct StoredResponse {
    fingerprint: String,
    response: String,
}

impl StoredResponse {
    fn of(row: idempotency_key::Model) -> Self {
        Self {
            fingerprint: row.fingerprint,
            response: row.response.unwrap_or_default(),
        }
    }

    /// Returns the response if `claim` is for the same request.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyReused`] for another request; [`DbErr::Json`] for a response in
    /// another format.
    pub fn to<T: DeserializeOwned>(&self, claim: &Claim) -> Result<T, Abort> {
        if self.fingerprint != claim.fingerprint {
            return Err(ShopError::IdempotencyKeyReused.into());
        }
        serde_json::from_str(&self.response).map_err(|error| DbErr::Json(error.to_string()).into())
    }
}

/// Returns those of `keys` that have a committed row.
pub async fn existing_keys<C: ConnectionTrait>(
    connection: &C,
    keys: Vec<String>,
) -> Result<Vec<String>, DbErr> {
    idempotency_key::Entity::find()
        .select_only()
        .column(idempotency_key::Column::Key)
        .filter(dialect::text_in(idempotency_key::Column::Key, keys))
        .into_tuple()
        .all(connection)
        .await
}

/// Returns true if a response is stored under the key.
///
/// # Errors
/// [`ShopError::Unavailable`] if the database is.
pub async fn is_used(db: &Db, key: &Key) -> Result<bool, ShopError> {
    let found = existing_keys(db.reader(), vec![key.as_str().to_owned()]).await;
    Ok(!found.map_err(txn::read_error)?.is_empty())
}

/// Stores the response under the key, in the transaction that produced it.
pub async fn record<T: Serialize + Sync>(
    work: &Work,
    claim: Option<&Claim>,
    response: &T,
) -> Result<(), Abort> {
    let Some(claim) = claim else {
        return Ok(());
    };
    let response =
        serde_json::to_string(response).map_err(|error| DbErr::Json(error.to_string()))?;
    idempotency_key::Entity::update_many()
        .col_expr(idempotency_key::Column::Response, Expr::value(response))
        .filter(idempotency_key::Column::Key.eq(claim.key()))
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Deletes the key of a request that had no effect in the end, so that it can be sent again.
///
/// Call it after the last lock of the transaction: a purchase that locks the stock before its key
/// may be waiting for this deletion.
pub async fn free(work: &Work, key: &str) -> Result<(), DbErr> {
    idempotency_key::Entity::delete_by_id(key.to_owned())
        .exec(work.connection())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_requests_have_different_fingerprints() {
        let key = Key::of_cart(uuid::Uuid::nil(), "0199e0a0-7b1c-7cc0");
        let claim = |operation: &str, parts: &[&str]| {
            key.clone().map(|key| Claim::new(key, operation, parts))
        };
        let purchase = |parts: &[&str]| claim("purchase", parts);
        assert_eq!(purchase(&["1", "2"]), purchase(&["1", "2"]));
        assert_ne!(purchase(&["12", "3"]), purchase(&["1", "23"]));
        assert_ne!(purchase(&["1"]), claim("checkout", &["1"]));
    }
}
