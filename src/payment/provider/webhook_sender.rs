//! Sends webhooks to the shop, and retries each until the shop acknowledges it.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::{
    Provider, ProviderError,
    store::{Delivery, StoreError},
    worker::{self, PollConfig, RemainingWork},
};
use crate::{http_client, payment::signature};

/// How often due events are polled. A new event wakes the sender immediately.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const BATCH_MAX: i64 = 64;
/// How many charges' webhooks are sent concurrently.
const CHARGES_AT_ONCE_MAX: usize = 8;
/// Timeout of one webhook request.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a claim on an event lasts: longer than most batches take. If a batch takes longer, an
/// event may be delivered twice.
const LEASE: Duration = Duration::from_secs(15);
/// Backoff after the first failed delivery. It doubles with each attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Time between the two deliveries of an event that is sent twice.
const COPY_GAP: Duration = Duration::from_millis(50);

/// Delivers webhooks.
pub struct WebhookSender {
    provider: Provider,
    client: Client,
}

impl WebhookSender {
    /// Creates a sender. [`WebhookSender::run`] starts it.
    ///
    /// # Errors
    /// [`ProviderError::Client`] if the HTTP client cannot be created.
    pub fn new(provider: Provider) -> Result<Self, ProviderError> {
        let client = http_client::builder()
            .timeout(WEBHOOK_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { provider, client })
    }

    /// Delivers webhooks until the provider stops.
    pub async fn run(self) {
        let poll_config = PollConfig {
            interval: POLL_INTERVAL,
            wake: &self.provider.0.events,
            stop: &self.provider.0.stop,
        };
        worker::run("webhooks", poll_config, || self.deliver_batch()).await;
    }

    async fn deliver_batch(&self) -> Result<RemainingWork, StoreError> {
        if self.webhook_url().is_none() {
            return Ok(RemainingWork::Nothing);
        }
        let store = &self.provider.0.store;
        let claimed = store.claim_events(BATCH_MAX, LEASE).await?;
        // Read only now: an event that happened after the URL changed must not be sent to the old
        // URL.
        let Some(url) = self.webhook_url().filter(|_| !claimed.is_empty()) else {
            return Ok(RemainingWork::Nothing);
        };
        let results: Vec<(i64, bool)> = stream::iter(group_by_charge(claimed))
            .map(|deliveries| self.deliver_in_order(&url, deliveries))
            .buffer_unordered(CHARGES_AT_ONCE_MAX)
            .concat()
            .await;
        let (delivered, failed): (Vec<_>, Vec<_>) =
            results.into_iter().partition(|(_, is_ok)| *is_ok);
        let ids = |results: Vec<(i64, bool)>| results.into_iter().map(|(id, _)| id).collect();
        if !failed.is_empty() {
            let failed = ids(failed);
            (store.events_failed(failed, BACKOFF_FIRST, BACKOFF_MAX)).await?;
        }
        if !delivered.is_empty() {
            store.events_delivered(ids(delivered), COPY_GAP).await?;
        }
        Ok(RemainingWork::More)
    }

    fn webhook_url(&self) -> Option<Url> {
        self.provider.0.webhook_url.borrow().clone()
    }

    /// Sends the events one after another. Returns for each whether the shop acknowledged it.
    async fn deliver_in_order(&self, url: &Url, deliveries: Vec<Delivery>) -> Vec<(i64, bool)> {
        let mut results = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            results.push((delivery.id, self.deliver(url, &delivery).await));
        }
        results
    }

    async fn deliver(&self, url: &Url, delivery: &Delivery) -> bool {
        let Ok(body) = serde_json::to_vec(&delivery.body) else {
            return false;
        };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let signed = signature::sign(&self.provider.0.secret, now, &body);
        let sent = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(signature::HEADER, signed)
            .body(body)
            .send()
            .await;
        let is_ok = sent.is_ok_and(|answer| answer.status().is_success());
        if !is_ok {
            tracing::debug!(
                event = delivery.body.id,
                "the shop did not acknowledge a webhook"
            );
        }
        is_ok
    }
}

/// Groups events by charge: the events of one charge are sent in the order in which they are due.
fn group_by_charge(claimed: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let mut group_indexes: HashMap<Uuid, usize> = HashMap::new();
    let mut groups: Vec<Vec<Delivery>> = Vec::new();
    for delivery in claimed {
        let index = *group_indexes
            .entry(delivery.body.charge.reference)
            .or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
        groups[index].push(delivery);
    }
    groups
}
