//! Settles what is due and has nobody who waits for it: its client has left, or the provider was killed in between.

use std::time::Duration;

use tokio::sync::Notify;

use super::{
    Provider,
    worker::{self, Left, Rhythm},
};

const POLL_INTERVAL: Duration = Duration::from_millis(400);
const BATCH_MAX: i64 = 100;

/// Captures and declines, until the provider is to stop.
pub async fn settle_charges(provider: Provider) {
    let provider = &provider;
    let wake = Notify::new();
    worker::run("charges", rhythm(provider, &wake), || async move {
        let settled = provider.0.store.settle_due_charges(BATCH_MAX).await?;
        Ok(told(provider, settled))
    })
    .await;
}

/// Pays back, until the provider is to stop.
pub async fn settle_refunds(provider: Provider) {
    let provider = &provider;
    let wake = Notify::new();
    worker::run("refunds", rhythm(provider, &wake), || async move {
        let settled = provider.0.store.settle_due_refunds(BATCH_MAX).await?;
        Ok(told(provider, settled))
    })
    .await;
}

/// Nobody wakes a settler: whoever waits for a charge settles it himself.
fn rhythm<'a>(provider: &'a Provider, wake: &'a Notify) -> Rhythm<'a> {
    Rhythm {
        pause: POLL_INTERVAL,
        wake,
        stop: &provider.0.stop,
    }
}

fn told(provider: &Provider, settled: usize) -> Left {
    if settled == 0 {
        return Left::Nothing;
    }
    provider.0.events.notify_one();
    Left::More
}
