//! The administrator's password: made at first start or given, kept as an argon2id hash.

use std::sync::{Arc, LazyLock};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use rand::RngExt;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    DbErr, EntityTrait,
    sea_query::OnConflict,
};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{
    db::{
        entity::admin_credential,
        txn::{self, Abort, Policy, Work},
    },
    model::ShopError,
    shop::Shop,
};

/// OWASP's first choice for argon2id with one pass: 46 MiB.
const MEMORY_KIB: u32 = 47_104;
/// Hashes computed at once: each takes [`MEMORY_KIB`] and a core.
const HASHES_AT_ONCE: usize = 2;
/// Letters of a password that is made here: 20 of 31 are 99 bits.
const MADE_LENGTH: usize = 20;
/// Without letters and digits that look alike.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

static TURNSTILE: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(HASHES_AT_ONCE)));

/// Where the password came from at this start.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential {
    /// From `ADMIN_PASSWORD`.
    Given,
    /// From an earlier start.
    Kept,
    /// Made now: to be printed once, and never again.
    Made(String),
}

impl Shop {
    /// Sets `given` as the password, or keeps the one there is, or makes one.
    ///
    /// # Errors
    /// What a database failure means.
    pub async fn settle_admin_password(
        &self,
        given: Option<&str>,
    ) -> Result<Credential, ShopError> {
        if let Some(given) = given {
            // The same password again leaves everybody signed in.
            if self.is_admin_password(given).await? {
                return Ok(Credential::Given);
            }
            self.store_hash(hash(given.to_owned()).await?, true).await?;
            return Ok(Credential::Given);
        }
        if self.stored_hash().await?.is_some() {
            return Ok(Credential::Kept);
        }
        let made = make_password();
        // Another server may have made one at the same moment: the first to commit is the one that counts.
        let first = self.store_hash(hash(made.clone()).await?, false).await?;
        Ok(if first {
            Credential::Made(made)
        } else {
            Credential::Kept
        })
    }

    /// True if `typed` is the administrator's password.
    ///
    /// # Errors
    /// What a database failure means.
    pub async fn is_admin_password(&self, typed: &str) -> Result<bool, ShopError> {
        let Some(stored) = self.stored_hash().await? else {
            return Ok(false);
        };
        let typed = typed.to_owned();
        on_a_thread(move || {
            let parsed = PasswordHash::new(&stored).map_err(|error| error.to_string())?;
            Ok(argon2()?.verify_password(typed.as_bytes(), &parsed).is_ok())
        })
        .await
    }

    /// Names the password that is in force, and gives nothing of it away: another password, another name. None before there is one.
    ///
    /// # Errors
    /// What a database failure means.
    pub async fn admin_credential_name(&self) -> Result<Option<String>, ShopError> {
        let hash = self.stored_hash().await?;
        Ok(hash.map(|hash| {
            let digest = Sha256::digest(hash.as_bytes());
            digest
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect()
        }))
    }

    async fn stored_hash(&self) -> Result<Option<String>, ShopError> {
        let row = admin_credential::Entity::find_by_id(1)
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(row.map(|row| row.password_hash))
    }

    /// Returns whether this hash is the one that is now stored.
    async fn store_hash(&self, hash: String, replace: bool) -> Result<bool, ShopError> {
        txn::run_for_result(
            &self.db,
            Policy::request("set admin password"),
            move |work| {
                let hash = hash.clone();
                Box::pin(async move { store(work, hash, replace).await })
            },
        )
        .await
        .map_err(ShopError::from)
    }
}

async fn store(work: &Work, hash: String, replace: bool) -> Result<bool, Abort> {
    let row = admin_credential::ActiveModel {
        id: Set(1),
        password_hash: Set(hash),
        changed_at: NotSet,
    };
    let insert = admin_credential::Entity::insert(row);
    let inserted = if replace {
        let replacing = OnConflict::column(admin_credential::Column::Id)
            .update_column(admin_credential::Column::PasswordHash)
            .to_owned();
        insert.on_conflict(replacing).try_insert()
    } else {
        insert.on_conflict_do_nothing()
    }
    .exec_without_returning(work.connection())
    .await?;
    Ok(matches!(inserted, sea_orm::TryInsertResult::Inserted(1)))
}

fn make_password() -> String {
    let mut rng = rand::rng();
    (0..MADE_LENGTH)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

async fn hash(password: String) -> Result<String, ShopError> {
    on_a_thread(move || {
        argon2()?
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| error.to_string())
    })
    .await
}

fn argon2() -> Result<Argon2<'static>, String> {
    let params = Params::new(MEMORY_KIB, 1, 1, None).map_err(|error| error.to_string())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashing takes tens of milliseconds on purpose: a few at a time, and never on a thread that serves requests.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, ShopError> {
    let _turn = TURNSTILE.acquire().await;
    let result = tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(error.to_string()));
    result.map_err(|error| txn::read_error(DbErr::Custom(error)))
}
