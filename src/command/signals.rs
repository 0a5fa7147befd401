//! The signals that ask a server to stop.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::CommandError;

/// From the signal to the end of the program. The rest of the 10 s is for the program's own end.
const STOP_MAX: Duration = Duration::from_secs(9);

/// A request to stop, by SIGTERM, by Ctrl-C or by the program itself.
#[derive(Clone)]
pub struct StopSignal {
    token: CancellationToken,
    requested_at: Arc<OnceLock<Instant>>,
}

impl StopSignal {
    /// Waits for the signals from now on, instead of ending the process.
    pub fn install() -> Result<Self, CommandError> {
        let stop = Self {
            token: CancellationToken::new(),
            requested_at: Arc::default(),
        };
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn({
            let stop = stop.clone();
            async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!("stopping; requests in progress can finish");
                stop.request();
            }
        });
        Ok(stop)
    }

    /// Requests the stop.
    pub fn request(&self) {
        self.requested_at.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// Returns the token that the request cancels.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs `work` to its end, or returns `None` as soon as the stop is requested.
    pub async fn unless_requested<F: Future>(&self, work: F) -> Option<F::Output> {
        self.token.run_until_cancelled(work).await
    }

    /// Returns how much of the time for stopping is left.
    pub fn time_left(&self) -> Duration {
        let used = self
            .requested_at
            .get()
            .map_or(Duration::ZERO, Instant::elapsed);
        STOP_MAX.saturating_sub(used)
    }
}
