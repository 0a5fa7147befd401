//! What protects a database from its callers while it is unavailable or struggles: a breaker in
//! front of every call, and a budget of retries.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Instant,
};

use futures::{FutureExt, future::select_ok};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::timeout;

use super::{close, ensure::single_connection, settings::PoolSettings};
use crate::{
    db::engine,
    resilience::{Breaker, Change, RetryBudget, Thresholds, breaker::Pass},
};

/// The guard of a pool; its clones share it. A pool that is measured, or that runs a command, has
/// none: there every call passes and every retry is allowed.
#[derive(Clone)]
pub struct DatabaseGuard(Option<Arc<Parts>>);

struct Parts {
    url: String,
    /// The pool for reads, which a probe may use.
    pool: OnceLock<DatabaseConnection>,
    breaker: Breaker,
    retries: RetryBudget,
}

/// Does not print the URL, which may contain a password.
impl fmt::Debug for DatabaseGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseGuard").finish_non_exhaustive()
    }
}

impl DatabaseGuard {
    pub(super) fn new(url: &str, settings: PoolSettings) -> Self {
        Self(settings.is_guarded.then(|| {
            Arc::new(Parts {
                url: url.to_owned(),
                pool: OnceLock::new(),
                breaker: Breaker::new(Thresholds::SERVICE),
                retries: RetryBudget::default(),
            })
        }))
    }

    /// Lets the probes use this pool, too.
    pub(super) fn use_pool(&self, pool: &DatabaseConnection) {
        if let Some(parts) = &self.0 {
            parts.pool.get_or_init(|| pool.clone());
        }
    }

    /// The breaker; `None` without a guard.
    pub fn breaker(&self) -> Option<&Breaker> {
        self.0.as_deref().map(|parts| &parts.breaker)
    }

    /// The budget of retries; `None` without a guard.
    pub fn retries(&self) -> Option<&RetryBudget> {
        self.0.as_deref().map(|parts| &parts.retries)
    }

    /// Lets a call to the database pass. While the breaker is half-open, one call first probes: by
    /// a connection of its own, because those of the pool may be dead, and by one of the pool,
    /// because a server with too many connections opens no other.
    ///
    /// # Errors
    /// [`engine::refused_by_breaker`] while its breaker is open.
    pub(in crate::db) async fn admit(&self) -> Result<Option<Pass>, DbErr> {
        let Some(parts) = &self.0 else {
            return Ok(None);
        };
        let pass = parts.admit()?;
        if !pass.is_probe() {
            return Ok(Some(pass));
        }
        parts.probe(pass).await?;
        parts.admit().map(Some)
    }

    /// Notes that the database answered a call.
    pub(in crate::db) fn answered(&self, pass: Option<Pass>) {
        if let (Some(parts), Some(pass)) = (&self.0, pass) {
            parts.note(parts.breaker.succeed(pass));
        }
    }

    /// Notes that the database did not answer a call.
    pub(in crate::db) fn failed(&self, pass: Option<Pass>) {
        if let (Some(parts), Some(pass)) = (&self.0, pass) {
            parts.note(parts.breaker.fail(pass, Instant::now()));
        }
    }

    /// Notes the error of a call: most errors are answers, too.
    pub(in crate::db) fn answered_with(&self, pass: Option<Pass>, error: &DbErr) {
        if engine::is_unresponsive(error) {
            self.failed(pass);
        } else {
            self.answered(pass);
        }
    }
}

impl Parts {
    fn admit(&self) -> Result<Pass, DbErr> {
        let pass = self.breaker.admit(Instant::now());
        pass.map_err(|_| engine::refused_by_breaker())
    }

    async fn probe(&self, pass: Pass) -> Result<(), DbErr> {
        let opened = async { single_connection(&self.url).await.map(Some) };
        let pooled = async {
            match self.pool.get() {
                Some(pool) => pool.ping().await.map(|()| None),
                None => Err(engine::refused_by_breaker()),
            }
        };
        let probes = select_ok([opened.boxed(), pooled.boxed()]);
        let probe_max = self.breaker.thresholds().probe_max;
        if let Ok(Ok((connection, _))) = timeout(probe_max, probes).await {
            self.note(self.breaker.succeed(pass));
            if let Some(connection) = connection {
                tokio::spawn(close(connection));
            }
            return Ok(());
        }
        self.note(self.breaker.fail(pass, Instant::now()));
        Err(engine::refused_by_breaker())
    }

    fn note(&self, change: Change) {
        match change {
            Change::None => {}
            Change::Opened => tracing::error!(
                "the database does not answer: requests are refused until a probe is answered"
            ),
            Change::Closed => tracing::info!("the database answers again"),
        }
    }
}
