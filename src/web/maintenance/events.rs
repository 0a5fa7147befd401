//! Sends the events of the outbox: signed requests to a subscriber, or entries of a Redis stream.

use std::{sync::LazyLock, time::Duration};

use futures::{StreamExt, stream};
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::rounds::every;
use crate::{
    http_client,
    payment::signature,
    redis::{Redis, Script},
    shop::{
        Shop,
        outbox::{Claimed, ClaimedEvent, Destination},
    },
};

/// How often a server looks for events.
const INTERVAL: Duration = Duration::from_millis(250);
/// Timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests at the same time. 64 events take at most 40 s, which is shorter than their claim.
const REQUESTS_MAX: usize = 8;
/// The entries that a stream keeps, approximately.
const STREAM_LENGTH: &str = "100000";

/// KEYS: stream. ARGV: incarnation, the length of the stream, type, event as JSON.
static APPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'type', ARGV[3], 'event', \
         ARGV[4])",
    )
});

/// The results of sending: `None` for an event that was delivered, or its error.
type Results = Vec<(ClaimedEvent, Option<String>)>;

/// Sends events until the server stops. Several servers may do this at the same time.
pub async fn send(shop: Shop, shutdown: CancellationToken) {
    let client = http_client::builder()
        .timeout(REQUEST_TIMEOUT)
        .redirect(Policy::none())
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "no events are sent: the HTTP client cannot be created");
            return;
        }
    };
    every(INTERVAL, &shutdown, || send_due(&shop, &client, &shutdown)).await;
}

/// Sends what is due.
async fn send_due(shop: &Shop, client: &Client, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let claimed = match shop.outbox().claim(can_send).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "could not send events; they are sent again");
                return;
            }
        };
        let results = match &claimed.destination {
            Destination::Http(url) => match shop.outbox().secret().await {
                Ok(secret) => post_all(client, url, &secret, &claimed).await,
                Err(error) => fail_all(&claimed, &error.to_string()),
            },
            Destination::Stream(name) => append_all(shop, name, &claimed).await,
        };
        // What cannot be settled is sent again when its claim ends.
        if let Err(error) = shop.outbox().store_results(results).await {
            tracing::warn!(%error, "events were sent, but their results were not stored; they are sent again");
            return;
        }
    }
}

/// A server without Redis leaves a stream to the others.
fn can_send(destination: &Destination, shop: &Shop) -> bool {
    match destination {
        Destination::Http(_) => true,
        Destination::Stream(_) => shop.gate().is_some(),
    }
}

async fn post_all(client: &Client, url: &Url, secret: &str, claimed: &Claimed) -> Results {
    let t = claimed.at.unix_timestamp();
    stream::iter(claimed.events.clone())
        .map(|event| async move {
            let signed = signature::sign(secret, t, event.body.as_bytes());
            let error = post(client, url, signed, &event).await.err();
            (event, error)
        })
        .buffer_unordered(REQUESTS_MAX)
        .collect()
        .await
}

/// # Errors
/// Why the event was not delivered. It does not contain the URL, which may contain a password.
async fn post(
    client: &Client,
    url: &Url,
    signed: String,
    event: &ClaimedEvent,
) -> Result<(), String> {
    let sent = client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(signature::HEADER, signed)
        .body(event.body.clone())
        .send()
        .await;
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("the subscriber answered {}", answer.status())),
        Err(error) if error.is_timeout() => Err(format!("no answer within {REQUEST_TIMEOUT:?}")),
        Err(error) if error.is_connect() => Err(match http_client::tls_problem(&error) {
            Some(problem) => format!("the subscriber cannot be reached: {problem}"),
            None => "the subscriber cannot be reached".to_owned(),
        }),
        Err(error) => Err(error.without_url().to_string()),
    }
}

async fn append_all(shop: &Shop, name: &str, claimed: &Claimed) -> Results {
    let Some(gate) = shop.gate() else {
        return fail_all(claimed, "this server has no Redis");
    };
    let mut results = Vec::with_capacity(claimed.events.len());
    for event in &claimed.events {
        let error = append(gate.redis(), name, event).await.err();
        results.push((event.clone(), error));
    }
    results
}

async fn append(redis: &Redis, name: &str, event: &ClaimedEvent) -> Result<(), String> {
    let arguments = [
        STREAM_LENGTH.to_owned(),
        event.kind.clone(),
        event.body.clone(),
    ];
    let keys = [name.to_owned()];
    let appended = redis.run::<String>(&APPEND, &keys, &arguments).await;
    appended.map(drop).map_err(|error| error.to_string())
}

fn fail_all(claimed: &Claimed, error: &str) -> Results {
    let events = claimed.events.iter().cloned();
    events
        .map(|event| (event, Some(error.to_owned())))
        .collect()
}
