//! The loop of a background task that works in rounds.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Calls `round` at once and then at each `interval`, until the server stops. A round that takes
/// longer than the interval postpones the next one; a round that has begun is not interrupted.
pub async fn every<F>(
    interval: Duration,
    shutdown: &CancellationToken,
    mut round: impl FnMut() -> F,
) where
    F: Future<Output = ()>,
{
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        round().await;
    }
}
