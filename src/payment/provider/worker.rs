//! Background loops that survive an outage of the database.

use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::store::StoreError;

/// How long a worker waits after the database did not answer.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// Whether a step left work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemainingWork {
    More,
    Nothing,
}

/// How often a worker polls, and what interrupts its wait.
pub struct PollConfig<'a> {
    /// Time between two polls that find nothing to do.
    pub interval: Duration,
    /// Ends the wait early.
    pub wake: &'a Notify,
    /// Ends the loop after the current step.
    pub stop: &'a CancellationToken,
}

/// Repeats `step`: immediately while work remains, and after each poll interval otherwise.
pub async fn run<F>(name: &str, poll_config: PollConfig<'_>, step: impl Fn() -> F)
where
    F: Future<Output = Result<RemainingWork, StoreError>>,
{
    let mut in_outage = false;
    while !poll_config.stop.is_cancelled() {
        match step().await {
            Ok(remaining) => {
                if std::mem::take(&mut in_outage) {
                    tracing::info!(name, "the payment provider's database is available again");
                }
                if remaining == RemainingWork::Nothing {
                    wait(&poll_config, poll_config.interval).await;
                }
            }
            Err(error) => {
                // Logged once per outage, not once per second.
                if !std::mem::replace(&mut in_outage, true) {
                    tracing::warn!(name, %error, "the payment provider is waiting for its database");
                }
                wait(&poll_config, OUTAGE_PAUSE).await;
            }
        }
    }
}

async fn wait(poll_config: &PollConfig<'_>, pause: Duration) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = poll_config.wake.notified() => {}
        () = poll_config.stop.cancelled() => {}
    }
}
