//! Tells the shop what happened, until it has taken it in.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::{
    Provider, ProviderError,
    store::{Delivery, StoreError},
    worker::{self, Left, Rhythm},
};
use crate::payment::signature;

/// How often it is looked for what is due; what just happened is told at once.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const BATCH_MAX: i64 = 64;
/// Charges that are told of at once.
const CHARGES_AT_ONCE_MAX: usize = 8;
/// How long the shop may take for one webhook.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a claimed event is ours: longer than most batches take. If one takes longer, something is told twice.
const LEASE: Duration = Duration::from_secs(15);
/// Before an event is told again that the shop did not take in; it doubles with each attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Between two deliveries of one event that is delivered twice.
const COPY_GAP: Duration = Duration::from_millis(50);

/// Delivers webhooks.
pub struct Courier {
    provider: Provider,
    client: Client,
}

impl Courier {
    /// A courier that has not set out yet.
    ///
    /// # Errors
    /// [`ProviderError::Client`].
    pub fn new(provider: Provider) -> Result<Self, ProviderError> {
        let client = Client::builder()
            .timeout(WEBHOOK_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { provider, client })
    }

    /// Delivers until the provider is to stop.
    pub async fn run(self) {
        let rhythm = Rhythm {
            pause: POLL_INTERVAL,
            wake: &self.provider.0.events,
            stop: &self.provider.0.stop,
        };
        worker::run("webhooks", rhythm, || self.round()).await;
    }

    async fn round(&self) -> Result<Left, StoreError> {
        if self.webhook_url().is_none() {
            return Ok(Left::Nothing);
        }
        let store = &self.provider.0.store;
        let claimed = store.claim_events(BATCH_MAX, LEASE).await?;
        // Asked only now: what happened after the shop moved must not be told at its old address.
        let Some(url) = self.webhook_url().filter(|_| !claimed.is_empty()) else {
            return Ok(Left::Nothing);
        };
        let told: Vec<(i64, bool)> = stream::iter(by_charge(claimed))
            .map(|deliveries| self.tell_in_order(&url, deliveries))
            .buffer_unordered(CHARGES_AT_ONCE_MAX)
            .concat()
            .await;
        let (delivered, failed): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, is_ok)| *is_ok);
        let ids = |told: Vec<(i64, bool)>| told.into_iter().map(|(id, _)| id).collect();
        if !failed.is_empty() {
            let failed = ids(failed);
            (store.events_failed(failed, BACKOFF_FIRST, BACKOFF_MAX)).await?;
        }
        if !delivered.is_empty() {
            store.events_delivered(ids(delivered), COPY_GAP).await?;
        }
        Ok(Left::More)
    }

    fn webhook_url(&self) -> Option<Url> {
        self.provider.0.webhook_url.borrow().clone()
    }

    /// Each with whether the shop took it in.
    async fn tell_in_order(&self, url: &Url, deliveries: Vec<Delivery>) -> Vec<(i64, bool)> {
        let mut told = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            told.push((delivery.id, self.tell(url, &delivery).await));
        }
        told
    }

    async fn tell(&self, url: &Url, delivery: &Delivery) -> bool {
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
            tracing::debug!(event = delivery.body.id, "a webhook was not taken in");
        }
        is_ok
    }
}

/// What is about one charge is told in the order in which it is due.
fn by_charge(claimed: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    let mut groups: Vec<Vec<Delivery>> = Vec::new();
    for delivery in claimed {
        let place = *places
            .entry(delivery.body.charge.reference)
            .or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
        groups[place].push(delivery);
    }
    groups
}
