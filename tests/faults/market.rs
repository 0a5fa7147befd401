//! What all clients of a server share: its address, which changes when it is started again, and
//! their answers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use doorbuster::{http_client, model::StrategyKey, simulation::run_secret::BUYER_HEADER};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::answers::{Answers, End};
use crate::support::TestProduct;

/// A client that waits for longer records the wait and gives up the request, not the purchase.
pub const CLIENT_MAX: Duration = Duration::from_secs(15);
/// The pause before a request is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// See the module's documentation. Clones share one state.
#[derive(Clone)]
pub struct Market {
    client: Client,
    url: Arc<Mutex<String>>,
    pub answers: Arc<Answers>,
    phase: Arc<AtomicU8>,
}

/// Clients buy.
const OPEN: u8 = 0;
/// They end their purchases, and begin no others.
const CLOSING: u8 = 1;
/// They give up what they have not ended.
const CLOSED: u8 = 2;

impl Market {
    pub fn at(url: String) -> Self {
        let client = http_client::builder().no_proxy().timeout(CLIENT_MAX);
        Self {
            client: client.build().expect("a client"),
            url: Arc::new(Mutex::new(url)),
            answers: Arc::default(),
            phase: Arc::new(AtomicU8::new(OPEN)),
        }
    }

    /// Returns the same market without answers, for the next fault.
    pub fn reopened(&self) -> Self {
        Self {
            client: self.client.clone(),
            url: Arc::clone(&self.url),
            answers: Arc::default(),
            phase: Arc::new(AtomicU8::new(OPEN)),
        }
    }

    pub fn url(&self) -> String {
        self.url.lock().expect("no panic under this lock").clone()
    }

    /// Sends all further requests to another server.
    pub fn move_to(&self, url: String) {
        *self.url.lock().expect("no panic under this lock") = url;
    }

    pub fn close(&self) {
        self.phase.store(CLOSING, Ordering::Relaxed);
    }

    pub fn give_up(&self) {
        self.phase.store(CLOSED, Ordering::Relaxed);
    }

    pub fn is_open(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OPEN
    }

    fn is_given_up(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == CLOSED
    }

    /// Buys one unit, and sends the purchase again until it is acknowledged.
    pub async fn buy(&self, strategy: StrategyKey, product: &TestProduct, key: &str) {
        loop {
            let sent = Instant::now();
            match self.send(strategy, product, key, sent).await {
                Some((order, false)) => {
                    return self.answers.acknowledge(Some(strategy), sent, order);
                }
                Some((order, true)) => return self.follow(strategy, sent, order).await,
                None => {}
            }
            if self.is_given_up() {
                return self.answers.give_up(key);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Sends a purchase. Returns the order, and whether it waits in the queue.
    async fn send(
        &self,
        strategy: StrategyKey,
        product: &TestProduct,
        key: &str,
        sent: Instant,
    ) -> Option<(String, bool)> {
        let url = format!("{}/api/purchase?strategy={strategy}", self.url());
        let mut request = self
            .client
            .post(url)
            .header("Idempotency-Key", key)
            .json(&json!({ "productId": product.id, "quantity": 1 }));
        // Only a simulated buyer has a token, and comes after the shoppers.
        let token = product.buyer_token();
        if !token.is_empty() {
            request = request.header(BUYER_HEADER, token);
        }
        let answer = match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                answer.json::<Value>().await.ok().map(|body| (status, body))
            }
            Err(_) => None,
        };
        let Some((status, body)) = answer else {
            self.answers.ended(sent, End::Unanswered);
            return None;
        };
        let order = body["orderId"].as_str();
        if let (true, Some(order)) = (status.is_success(), order) {
            self.answers.ended(sent, End::Accepted);
            return Some((order.to_owned(), status == StatusCode::ACCEPTED));
        }
        self.answers.ended(sent, End::Refused);
        if !may_be_sent_again(status) {
            let answer = format!("{status} for a purchase by {strategy}: {}", body["detail"]);
            self.answers.wrong(answer);
        }
        None
    }

    /// Waits until a queued order is written. It has another id if the purchase was sold by the row
    /// before the queue decided it.
    async fn follow(&self, strategy: StrategyKey, sent: Instant, order: String) {
        loop {
            let asked = Instant::now();
            let url = format!("{}/api/orders/{order}", self.url());
            let answer = self.client.get(url).send().await;
            let (status, sold) = match answer {
                Ok(answer) => (Some(answer.status()), answer.json::<Value>().await.ok()),
                Err(_) => (None, None),
            };
            self.answers.ended(asked, End::Other);
            let sold = sold.and_then(|sold| sold["id"].as_str().map(str::to_owned));
            match (status, sold) {
                (Some(StatusCode::OK), Some(sold)) => {
                    return self.answers.acknowledge(Some(strategy), sent, sold);
                }
                (None | Some(StatusCode::OK | StatusCode::ACCEPTED), _) => {}
                (Some(status), _) if may_be_sent_again(status) => {}
                (Some(status), _) => {
                    let answer = format!("{status} for the accepted order {order}");
                    return self.answers.wrong(answer);
                }
            }
            if self.is_given_up() {
                return self.answers.give_up(&order);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Asks whether the server can sell.
    pub async fn look_whether_ready(&self) {
        let sent = Instant::now();
        let answer = self
            .client
            .get(format!("{}/readyz", self.url()))
            .send()
            .await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            self.answers.ready(sent);
        }
        self.answers.ended(sent, End::Other);
    }

    /// Returns the status of an order, as the shop shows it.
    pub async fn status_of(&self, order: &str) -> Option<String> {
        let sent = Instant::now();
        let url = format!("{}/api/orders/{order}", self.url());
        let answer = self.client.get(url).send().await;
        let body = match answer {
            Ok(answer) => answer.json::<Value>().await.ok(),
            Err(_) => None,
        };
        self.answers.ended(sent, End::Other);
        Some(body?["status"].as_str()?.to_owned())
    }
}

/// True for what a fault may cause: the client sends the request again, with the same key.
fn may_be_sent_again(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    )
}
