//! Idempotency keys: the same key with the same request returns the same response; the same key
//! with another request is rejected.
//!
//! A transaction claims a key by inserting it before it does the work. A concurrent request with
//! the same key waits for that insert, and then finds either the stored response or, after a
//! rollback, no row. A rejected request can therefore be retried with the same key.

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
        dialect,
        entity::idempotency_key,
        retention::ExpiredRows,
        txn::{Abort, Work},
    },
    model::ShopError,
};

/// Keys whose response has been stored for 72 hours.
pub const OLD_KEYS: ExpiredRows = ExpiredRows {
    name: "idempotency keys",
    select: "SELECT key FROM idempotency_key WHERE created_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 hour'",
    delete: "DELETE FROM idempotency_key WHERE key = ANY($1::text[]) \
             AND created_at < CURRENT_TIMESTAMP - $2 * INTERVAL '1 hour'",
    age: 72,
};
/// Maximum length of a key, in bytes.
pub const KEY_LEN_MAX: usize = 100;

/// A key with a fingerprint of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    key: String,
    fingerprint: String,
}

impl Claim {
    /// Creates a claim of `key` for `operation` with `parts`: all values by which two requests can
    /// differ.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`] for a key that is empty, too long, or contains
    /// characters other than letters, digits, `-`, `_`, `.` and `:`.
    pub fn new(key: &str, operation: &str, parts: &[&str]) -> Result<Self, ShopError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        if key.is_empty() || key.len() > KEY_LEN_MAX || !key.bytes().all(allowed) {
            return Err(ShopError::IdempotencyKeyInvalid);
        }
        let mut hash = Sha256::new();
        for part in std::iter::once(&operation).chain(parts) {
            // The length distinguishes ("ab", "c") from ("a", "bc").
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Ok(Self {
            key: key.to_owned(),
            fingerprint: hex::encode(hash.finalize()),
        })
    }

    /// The key that the caller chose.
    pub fn key(&self) -> &str {
        &self.key
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
        key: Set(claim.key.clone()),
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
    let row = idempotency_key::Entity::find_by_id(claim.key.clone())
        .one(work.connection())
        .await?
        .ok_or_else(|| {
            DbErr::RecordNotFound("an idempotency key that existed a moment ago".to_owned())
        })?;
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
        .filter(idempotency_key::Column::Key.eq(claim.key.clone()))
        .exec(work.connection())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_requests_have_different_fingerprints() {
        let claim = |parts: &[&str]| Claim::new("k", "purchase", parts);
        assert_eq!(claim(&["1", "2"]), claim(&["1", "2"]));
        assert_ne!(claim(&["12", "3"]), claim(&["1", "23"]));
        assert_ne!(claim(&["1"]), Claim::new("k", "checkout", &["1"]));
    }

    #[test]
    fn an_empty_long_or_special_key_is_invalid() {
        for key in ["", "a b", "ü", "a\n", &"x".repeat(KEY_LEN_MAX + 1)] {
            assert_eq!(
                Claim::new(key, "purchase", &[]),
                Err(ShopError::IdempotencyKeyInvalid)
            );
        }
        assert!(Claim::new("0199e0a0-7b1c-7cc0-a000-000000000000", "purchase", &[]).is_ok());
    }
}
