//! Buyers who go to running servers, in turn.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use reqwest::{Response, header::RETRY_AFTER};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::timeout};
use url::Url;

use super::{
    ATTEMPT_DEADLINE, Attempt, AttemptResult, Order, Pool, Storefront, Taken, UNKNOWN_RETRIES_MAX,
    UNKNOWN_RETRY_PAUSE, refusal,
};
use crate::model::{StrategyKey, plan::FaultKind, sample::Failure};

/// How long a buyer waits for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections over all servers: each takes one of the about 1,000 file descriptors that a process may usually have.
const CONNECTIONS_MAX: usize = 512;
/// Buyers who were told to come back later do so over this time, or all would be too many again.
const COMING_BACK_MS: u64 = 1_024;

/// What all lanes of a run share: the servers, and a bounded number of connections to each.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    servers: Vec<Server>,
}

#[derive(Clone, Debug)]
struct Server {
    purchase: String,
    connections: Arc<Semaphore>,
}

impl HttpClient {
    /// For the servers at `targets`, such as `http://127.0.0.1:3000`.
    ///
    /// # Errors
    /// The client's, if it cannot be built.
    pub fn new(targets: &[Url]) -> Result<Self, reqwest::Error> {
        let connections = (CONNECTIONS_MAX / targets.len().max(1)).max(1);
        let client = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(connections)
            .build()?;
        let server = |target: &Url| Server {
            purchase: format!("{}/api/purchase", target.as_str().trim_end_matches('/')),
            connections: Arc::new(Semaphore::new(connections)),
        };
        Ok(Self {
            client,
            servers: targets.iter().map(server).collect(),
        })
    }

    /// How many connections are free, and how many there are, over all servers.
    fn connections(&self) -> (u32, u32) {
        let each = (CONNECTIONS_MAX / self.servers.len().max(1)).max(1);
        let free: usize = self
            .servers
            .iter()
            .map(|server| server.connections.available_permits())
            .sum();
        let counted = |number| u32::try_from(number).unwrap_or(u32::MAX);
        (counted(free), counted(each * self.servers.len()))
    }
}

/// Buyers of one strategy.
#[derive(Debug)]
pub struct OverHttp {
    pub http: HttpClient,
    pub strategy: StrategyKey,
}

/// What a server said.
enum Reply {
    /// Yes or no.
    Said(AttemptResult),
    /// Neither: it broke, or the answer was lost.
    Unsaid(Failure, String),
    /// Come back after this long.
    NotYet(Duration),
}

#[derive(Deserialize)]
struct Purchase {
    #[serde(rename = "orderId")]
    order_id: String,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

#[async_trait]
impl Storefront for OverHttp {
    async fn buy(&self, order: Order) -> Attempt {
        match order.fault {
            Some(FaultKind::DoubleClick) => {
                let click = || self.ask_to_the_end(&order);
                let (one, other) = tokio::join!(click(), click());
                Attempt::of_both(one, other)
            }
            Some(FaultKind::Abandon) => timeout(order.patience, self.ask_to_the_end(&order))
                .await
                .unwrap_or_else(|_| Attempt::left()),
            // The others happen inside of a server.
            _ => self.ask_to_the_end(&order).await,
        }
    }

    /// It stands in the memory of another server.
    fn in_line(&self, _product_id: i64) -> Option<u64> {
        None
    }

    fn pool(&self) -> Pool {
        let (free, size) = self.http.connections();
        Pool {
            in_use: size.saturating_sub(free),
            size,
        }
    }
}

impl OverHttp {
    async fn ask_to_the_end(&self, order: &Order) -> Attempt {
        let start = Instant::now();
        let turn = turn_of(&order.key);
        let mut taken = Taken::default();
        let mut unsaid = 0;
        let result = loop {
            // A retry goes to the next server: the key is known to all of them.
            let server = turn + taken.retries as usize;
            match self.ask(order, server, &mut taken).await {
                Reply::Said(result) => break result,
                Reply::Unsaid(kind, detail) if unsaid == UNKNOWN_RETRIES_MAX => {
                    break AttemptResult::Failed(kind, format!("{}: {detail}", self.strategy));
                }
                Reply::Unsaid(..) => {
                    unsaid += 1;
                    tokio::time::sleep(UNKNOWN_RETRY_PAUSE).await;
                }
                Reply::NotYet(_) if start.elapsed() > ATTEMPT_DEADLINE => {
                    let sentence = "told to come back later, for an hour".to_owned();
                    break AttemptResult::Failed(Failure::Busy, sentence);
                }
                Reply::NotYet(wait) => {
                    let wait = wait + Duration::from_millis(turn as u64 % COMING_BACK_MS);
                    taken.split.pool_wait += wait;
                    tokio::time::sleep(wait).await;
                }
            }
            taken.retries += 1;
        };
        let waited = taken.split.pool_wait;
        taken.split.execute = start.elapsed().saturating_sub(waited);
        Attempt { result, taken }
    }

    /// One request.
    async fn ask(&self, order: &Order, turn: usize, taken: &mut Taken) -> Reply {
        let server = &self.http.servers[turn % self.http.servers.len()];
        let queued = Instant::now();
        let Ok(_connection) = server.connections.acquire().await else {
            return Reply::Unsaid(Failure::NoConnection, "the run is over".to_owned());
        };
        taken.split.pool_wait += queued.elapsed();
        let answer = self
            .http
            .client
            .post(format!("{}?strategy={}", server.purchase, self.strategy))
            .header("Idempotency-Key", &order.key)
            .json(&serde_json::json!({
                "productId": order.product_id,
                "quantity": order.quantity,
            }))
            .send()
            .await;
        match answer {
            Ok(response) => read(response).await,
            Err(error) => Reply::Unsaid(failure(&error), error.to_string()),
        }
    }
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::TimedOut
    } else {
        Failure::NoConnection
    }
}

async fn read(response: Response) -> Reply {
    let status = response.status().as_u16();
    if status == 429 {
        return Reply::NotYet(retry_after(&response));
    }
    if response.status().is_success() {
        // An answer that breaks off is one that was lost.
        return match response.json::<Purchase>().await {
            Ok(purchase) => Reply::Said(AttemptResult::Bought(purchase.order_id)),
            Err(error) => Reply::Unsaid(failure(&error), error.to_string()),
        };
    }
    let detail = match response.json::<Problem>().await {
        Ok(problem) => problem.detail,
        Err(error) => error.to_string(),
    };
    match status {
        402 | 409 | 422 => {
            let reason = refusal::reason_told(status, &detail);
            Reply::Said(AttemptResult::Rejected(reason))
        }
        503 => Reply::Unsaid(Failure::NoConnection, detail),
        500.. => Reply::Unsaid(Failure::OtherFault, detail),
        _ => Reply::Said(AttemptResult::Failed(Failure::OtherFault, detail)),
    }
}

/// A second, if the server does not say how long.
fn retry_after(response: &Response) -> Duration {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(1);
    Duration::from_secs(seconds)
}

/// Spreads buyers over servers, the same way for the same key.
fn turn_of(key: &str) -> usize {
    key.bytes().fold(0_usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    }) % 1_024
}
