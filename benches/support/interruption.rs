//! The end of a benchmark before its time.

use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// Returns an error once the person at the terminal, or another program, asks to stop.
pub async fn interruption() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Err("interrupted".into())
}
