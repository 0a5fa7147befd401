//! Idempotency keys: the same key and request, the same answer; the same key and another request, a refusal.
//!
//! A key is claimed by inserting it first, in the very transaction that does the work: whoever sends the same key meanwhile waits for
//! that insert, and then finds either the answer or, after a rollback, nothing. So a refused key may be tried again.

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
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::ShopError,
    shop::Shop,
};

/// How long an answer is kept, in hours.
const KEYS_KEPT_H: u32 = 72;
/// The longest key that a caller may choose, in bytes.
pub const KEY_LEN_MAX: usize = 100;

/// A key and what it was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    key: String,
    fingerprint: String,
}

impl Claim {
    /// Claims `key` for `operation` with `parts`, which are all that makes one request differ from another.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`] for a key that is empty, too long, or of other characters than a UUID or a slug has.
    pub fn new(key: &str, operation: &str, parts: &[&str]) -> Result<Self, ShopError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        if key.is_empty() || key.len() > KEY_LEN_MAX || !key.bytes().all(allowed) {
            return Err(ShopError::IdempotencyKeyInvalid);
        }
        let mut hash = Sha256::new();
        for part in std::iter::once(&operation).chain(parts) {
            // The length keeps ("ab", "c") apart from ("a", "bc").
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let fingerprint = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            use std::fmt::Write;
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Ok(Self {
            key: key.to_owned(),
            fingerprint,
        })
    }

    /// The caller's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the request is told apart by.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Takes the key, or returns the answer that was given under it before.
///
/// # Errors
/// [`ShopError::IdempotencyKeyReused`] if it belongs to another request; what the database says.
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
        .waiting_for_lock(
            idempotency_key::Entity::insert(row)
                .on_conflict_do_nothing()
                .exec_without_returning(work.connection()),
        )
        .await?;
    if matches!(inserted, TryInsertResult::Inserted(1)) {
        return Ok(None);
    }
    let known = idempotency_key::Entity::find_by_id(claim.key.clone())
        .one(work.connection())
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("an idempotency key that was just seen".to_owned()))?;
    // What is told again must be as durable as it was the first time.
    dialect::flush_at_commit(work.connection()).await?;
    KeptAnswer::of(known).to(claim).map(Some)
}

/// The answers that are kept under `keys`, each with what was asked, by key.
///
/// # Errors
/// What the database says.
pub async fn answers(work: &Work, keys: Vec<String>) -> Result<HashMap<String, KeptAnswer>, DbErr> {
    let rows = idempotency_key::Entity::find()
        .filter(dialect::text_in(idempotency_key::Column::Key, keys))
        .all(work.connection())
        .await?;
    if !rows.is_empty() {
        dialect::flush_at_commit(work.connection()).await?;
    }
    let kept = rows
        .into_iter()
        .map(|row| (row.key.clone(), KeptAnswer::of(row)));
    Ok(kept.collect())
}

/// What is kept under a key.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    fingerprint: String,
    response: String,
}

impl KeptAnswer {
    fn of(row: idempotency_key::Model) -> Self {
        Self {
            fingerprint: row.fingerprint,
            response: row.response.unwrap_or_default(),
        }
    }

    /// The answer, if `claim` is for the same request.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyReused`] if not; [`DbErr::Json`] for an answer of another shape.
    pub fn to<T: DeserializeOwned>(&self, claim: &Claim) -> Result<T, Abort> {
        if self.fingerprint != claim.fingerprint {
            return Err(ShopError::IdempotencyKeyReused.into());
        }
        serde_json::from_str(&self.response).map_err(|error| DbErr::Json(error.to_string()).into())
    }
}

/// Which of `keys` an answer is kept under, as committed now.
///
/// # Errors
/// What the database says.
pub async fn known_of<C: ConnectionTrait>(
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

/// Keeps the answer under the key, to be committed with what it answers for.
///
/// # Errors
/// What the database says.
pub async fn record<T: Serialize + Sync>(
    work: &Work,
    claim: Option<&Claim>,
    answer: &T,
) -> Result<(), Abort> {
    let Some(claim) = claim else {
        return Ok(());
    };
    let response = serde_json::to_string(answer).map_err(|error| DbErr::Json(error.to_string()))?;
    idempotency_key::Entity::update_many()
        .col_expr(idempotency_key::Column::Response, Expr::value(response))
        .filter(idempotency_key::Column::Key.eq(claim.key.clone()))
        .exec(work.connection())
        .await?;
    Ok(())
}

impl Shop {
    /// Removes keys older than [`KEYS_KEPT_H`].
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_old_keys(&self) -> Result<u64, TxnError> {
        txn::run_for_result(self.db(), Policy::request("forget old keys"), |work| {
            Box::pin(async move {
                let sql = "DELETE FROM idempotency_key WHERE created_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 hour'";
                let done = work
                    .connection()
                    .execute_raw(dialect::statement(sql, [f64::from(KEYS_KEPT_H).into()]))
                    .await?;
                Ok(done.rows_affected())
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_requests_apart() {
        let claim = |parts: &[&str]| Claim::new("k", "purchase", parts);
        assert_eq!(claim(&["1", "2"]), claim(&["1", "2"]));
        assert_ne!(claim(&["12", "3"]), claim(&["1", "23"]));
        assert_ne!(claim(&["1"]), Claim::new("k", "checkout", &["1"]));
    }

    #[test]
    fn a_key_is_a_short_plain_word() {
        for key in ["", "a b", "ü", "a\n", &"x".repeat(KEY_LEN_MAX + 1)] {
            assert_eq!(
                Claim::new(key, "purchase", &[]),
                Err(ShopError::IdempotencyKeyInvalid)
            );
        }
        assert!(Claim::new("0199e0a0-7b1c-7cc0-a000-000000000000", "purchase", &[]).is_ok());
    }
}
