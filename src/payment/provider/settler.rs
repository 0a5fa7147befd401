//! Settles charges and refunds that are due and that no request is waiting for: the client has
//! disconnected, or the provider was killed and restarted.

use std::time::Duration;

use tokio::sync::Notify;

use super::{
    Provider,
    store::{ChargeRow, MoneyMovement, RefundRow},
    worker::{self, PollConfig, RemainingWork},
};

const POLL_INTERVAL: Duration = Duration::from_millis(400);
const BATCH_MAX: i64 = 100;

/// Captures or declines due charges until the provider stops.
pub async fn settle_charges(provider: Provider) {
    settle::<ChargeRow>("charges", &provider).await;
}

/// Pays out due refunds until the provider stops.
pub async fn settle_refunds(provider: Provider) {
    settle::<RefundRow>("refunds", &provider).await;
}

async fn settle<M: MoneyMovement>(name: &str, provider: &Provider) {
    let wake = Notify::new();
    worker::run(name, poll_config(provider, &wake), || async move {
        let settled = provider.0.store.settle_due::<M>(BATCH_MAX).await?;
        Ok(remaining_work(provider, settled))
    })
    .await;
}

/// A settler is never woken early: a request that waits for its charge settles the charge itself.
fn poll_config<'a>(provider: &'a Provider, wake: &'a Notify) -> PollConfig<'a> {
    PollConfig {
        interval: POLL_INTERVAL,
        wake,
        stop: &provider.0.stop,
    }
}

fn remaining_work(provider: &Provider, settled: usize) -> RemainingWork {
    if settled == 0 {
        return RemainingWork::Nothing;
    }
    provider.0.events.notify_one();
    RemainingWork::More
}
