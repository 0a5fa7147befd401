//! What protects a database from its callers while it is away or struggles: a breaker in front of
//! every call, and a budget of retries.

use std::{fmt, sync::Arc, time::Instant};

use sea_orm::DbErr;
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
                breaker: Breaker::new(Thresholds::SERVICE),
                retries: RetryBudget::default(),
            })
        }))
    }

    /// The breaker; `None` without a guard.
    pub fn breaker(&self) -> Option<&Breaker> {
        self.0.as_deref().map(|parts| &parts.breaker)
    }

    /// The budget of retries; `None` without a guard.
    pub fn retries(&self) -> Option<&RetryBudget> {
        self.0.as_deref().map(|parts| &parts.retries)
    }

    /// Lets a call to the database pass. While the breaker is half-open, one call first opens a
    /// connection of its own, as the probe: a connection of the pool may be a dead one.
    ///
    /// # Errors
    /// [`engine::left_alone`] while the database is left alone.
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
        if engine::is_away(error) {
            self.failed(pass);
        } else {
            self.answered(pass);
        }
    }
}

impl Parts {
    fn admit(&self) -> Result<Pass, DbErr> {
        let pass = self.breaker.admit(Instant::now());
        pass.map_err(|_| engine::left_alone())
    }

    async fn probe(&self, pass: Pass) -> Result<(), DbErr> {
        let opening = single_connection(&self.url);
        let probe_max = self.breaker.thresholds().probe_max;
        if let Ok(Ok(connection)) = timeout(probe_max, opening).await {
            self.note(self.breaker.succeed(pass));
            tokio::spawn(close(connection));
            return Ok(());
        }
        self.note(self.breaker.fail(pass, Instant::now()));
        Err(engine::left_alone())
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
