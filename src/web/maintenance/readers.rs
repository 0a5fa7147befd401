//! Verifies the sessions again that may read the figures while the database is unavailable.

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::web::{AppState, health::readers::VERIFIED_EVERY, session::reader::is_administrator};

/// Verifies the sessions in rounds, until the server stops.
pub async fn verify(state: AppState, shutdown: CancellationToken) {
    every(VERIFIED_EVERY, &shutdown, || verify_once(&state)).await;
}

/// Runs one round. While the database is unavailable, nothing changes.
pub async fn verify_once(state: &AppState) {
    let readers = state.health.readers();
    for session in readers.sessions() {
        match is_administrator(state, session).await {
            Ok(true) => readers.verified_again(session),
            Ok(false) => readers.ended(session),
            Err(error) => {
                tracing::debug!(%error, "could not verify the sessions of administrators; the next round tries again");
                return;
            }
        }
    }
}
