//! Marks the simulation runs of servers that stopped as failed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::{db::Db, model::ShopError, simulation::store, web::AppState};

/// Interval of the check.
const INTERVAL: Duration = Duration::from_secs(15);
/// A run is abandoned if its server sent no heartbeat for this long, in seconds.
const RUN_SILENT_MAX_S: u32 = 30;

/// Fails abandoned runs, until the server stops. Several servers may do this at the same time.
pub async fn fail(state: AppState, shutdown: CancellationToken) {
    let check = AbandonedRunsCheck::default();
    every(INTERVAL, &shutdown, || fail_once(&state, &check)).await;
}

async fn fail_once(state: &AppState, check: &AbandonedRunsCheck) {
    match check.run(state.shop.db()).await {
        Ok(0) => {}
        Ok(runs) => tracing::warn!(
            runs,
            "marked simulation runs as failed because their server stopped"
        ),
        Err(error) => tracing::warn!(%error, "could not check for abandoned runs"),
    }
}

/// The check of one server. While the database is unavailable, no run can write its heartbeat, so a
/// round in which the database is back only notes that: the next one finds the runs that are
/// silent.
#[derive(Debug, Default)]
pub struct AbandonedRunsCheck {
    was_database_unavailable: AtomicBool,
}

impl AbandonedRunsCheck {
    /// Fails the runs that are abandoned. Returns their number.
    pub async fn run(&self, db: &Db) -> Result<u64, ShopError> {
        let failed = if self.was_database_unavailable.load(Ordering::Relaxed) {
            store::server(db).await.map(|_| 0)
        } else {
            let failed = store::fail_abandoned(db, RUN_SILENT_MAX_S).await;
            failed.map_err(ShopError::from)
        };
        self.was_database_unavailable
            .store(failed.is_err(), Ordering::Relaxed);
        failed
    }
}
