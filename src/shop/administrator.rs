//! The administrator, and their password: configured, or generated at the first start; stored as an
//! argon2id hash.

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

/// OWASP's first recommendation for argon2id with one pass: 46 MiB.
const MEMORY_KIB: u32 = 47_104;
/// Maximum number of hashes computed concurrently: each uses [`MEMORY_KIB`] and one core.
const CONCURRENT_HASHES_MAX: usize = 2;
/// The most passwords that are computed or wait for it.
const WAITING_MAX: usize = 32;
/// Length of a generated password: 20 characters out of 31 are 99 bits.
const GENERATED_LENGTH: usize = 20;
/// The characters of a generated password, without those that look alike.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);
static HASH_PERMITS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(CONCURRENT_HASHES_MAX)));

/// The proof that the administrator acts. Every act of an administrator takes it, so that a request
/// handler that forgets to check the session does not compile.
#[derive(Clone, Debug)]
pub struct Administrator(Actor);

/// How the administrator acts: part of the history of what they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// On the admin pages.
    SignedIn,
    /// With a command.
    CommandLine,
}

impl Actor {
    /// The name in histories.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "administrator",
            Self::CommandLine => "command line",
        }
    }
}

impl Administrator {
    /// Returns the administrator of a command: anyone who can run the program on the machine owns
    /// its database.
    pub fn at_the_command_line() -> Self {
        Self(Actor::CommandLine)
    }

    /// How the administrator acts.
    pub(super) const fn actor(&self) -> Actor {
        self.0
    }
}

/// Where the password comes from at this start.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential {
    /// From `ADMIN_PASSWORD`.
    Configured,
    /// Stored in the database by an earlier start.
    Stored,
    /// Generated now. It is printed once and never again.
    Generated(String),
}

/// Checks and stores the administrator's password; see [`Shop::administrators`].
#[derive(Clone, Copy, Debug)]
pub struct Administrators<'a> {
    pub(super) shop: &'a Shop,
}

impl Administrators<'_> {
    /// Makes sure that a password exists: stores `given` if there is one, else keeps the stored
    /// password, else generates one.
    pub async fn ensure_password(self, given: Option<&str>) -> Result<Credential, ShopError> {
        if let Some(given) = given {
            // Storing the same password again would change its hash and end all sessions.
            if self.check_password(given).await?.is_some() {
                return Ok(Credential::Configured);
            }
            self.store_hash(hash(given.to_owned()).await?, true).await?;
            return Ok(Credential::Configured);
        }
        if self.stored_hash().await?.is_some() {
            return Ok(Credential::Stored);
        }
        let generated = generate_password();
        // Another server process may generate one at the same time: the first commit wins.
        let first = self
            .store_hash(hash(generated.clone()).await?, false)
            .await?;
        Ok(if first {
            Credential::Generated(generated)
        } else {
            Credential::Stored
        })
    }

    /// Returns the administrator if `typed` is their password.
    pub async fn check_password(self, typed: &str) -> Result<Option<Administrator>, ShopError> {
        let Some(stored) = self.stored_hash().await? else {
            return Ok(None);
        };
        let typed = typed.to_owned();
        let is_correct = run_blocking(move || {
            let parsed = PasswordHash::new(&stored).map_err(|error| error.to_string())?;
            Ok(argon2()?.verify_password(typed.as_bytes(), &parsed).is_ok())
        })
        .await?;
        Ok(is_correct.then_some(Administrator(Actor::SignedIn)))
    }

    /// Returns the administrator if their session was signed in with the current password.
    /// `credential` is the [`Self::credential_name`] that the session has stored. Only the session
    /// layer may call this.
    pub async fn of_signed_in_session(
        self,
        credential: Option<&str>,
    ) -> Result<Option<Administrator>, ShopError> {
        let Some(credential) = credential else {
            return Ok(None);
        };
        let is_current = self.credential_name().await?.as_deref() == Some(credential);
        Ok(is_current.then_some(Administrator(Actor::SignedIn)))
    }

    /// Returns an identifier of the current password that reveals nothing about it, or `None` if no
    /// password is stored. Another password has another identifier.
    pub async fn credential_name(self) -> Result<Option<String>, ShopError> {
        let hash = self.stored_hash().await?;
        Ok(hash.map(|hash| hex::encode(&Sha256::digest(hash.as_bytes())[..8])))
    }

    async fn stored_hash(self) -> Result<Option<String>, ShopError> {
        let row = admin_credential::Entity::find_by_id(1)
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(row.map(|row| row.password_hash))
    }

    /// Stores a hash. Returns true if this hash is the stored one afterwards.
    async fn store_hash(self, hash: String, replace: bool) -> Result<bool, ShopError> {
        txn::run_for_result(
            &self.shop.db,
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

fn generate_password() -> String {
    let mut rng = rand::rng();
    (0..GENERATED_LENGTH)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

async fn hash(password: String) -> Result<String, ShopError> {
    run_blocking(move || {
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

/// Runs `work` on a blocking thread, with at most [`CONCURRENT_HASHES_MAX`] at a time. Hashing
/// takes tens of milliseconds on purpose, so it must not block a thread that serves requests.
///
/// # Errors
/// [`ShopError::Busy`] if [`WAITING_MAX`] wait already: strangers who sign in from many addresses
/// must not fill the server.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, ShopError> {
    let _waiting = WAITING
        .try_acquire()
        .map_err(|_| ShopError::Busy { retry_after_s: 2 })?;
    let _permit = HASH_PERMITS.acquire().await;
    let result = tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(error.to_string()));
    result.map_err(|error| txn::read_error(DbErr::Custom(error)))
}
