//! Work that goes on in the background, whatever becomes of the database meanwhile.

use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::store::StoreError;

/// Before the database is asked again that did not answer.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// Whether there was more to do than was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    More,
    Nothing,
}

/// When a worker works.
pub struct Rhythm<'a> {
    /// Between two looks when there was nothing to do.
    pub pause: Duration,
    /// Ends the pause.
    pub wake: &'a Notify,
    /// Ends the work, after the step at hand.
    pub stop: &'a CancellationToken,
}

/// Repeats `step`: at once while there is more to do, and otherwise in its rhythm.
pub async fn run<F>(name: &str, rhythm: Rhythm<'_>, step: impl Fn() -> F)
where
    F: Future<Output = Result<Left, StoreError>>,
{
    let mut is_out = false;
    while !rhythm.stop.is_cancelled() {
        match step().await {
            Ok(left) => {
                if std::mem::take(&mut is_out) {
                    tracing::info!(name, "the payment provider's database is back");
                }
                if left == Left::Nothing {
                    rest(&rhythm, rhythm.pause).await;
                }
            }
            Err(error) => {
                // Once an outage, not once a second.
                if !std::mem::replace(&mut is_out, true) {
                    tracing::warn!(name, %error, "the payment provider waits for its database");
                }
                rest(&rhythm, OUTAGE_PAUSE).await;
            }
        }
    }
}

async fn rest(rhythm: &Rhythm<'_>, pause: Duration) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = rhythm.wake.notified() => {}
        () = rhythm.stop.cancelled() => {}
    }
}
