//! Buyers who send their requests to servers: the first buyer to the first one, and so on, in turn.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use reqwest::{RequestBuilder, StatusCode, header::RETRY_AFTER};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::timeout};
use url::Url;

use super::{
    ATTEMPT_DEADLINE, Attempt, AttemptCost, AttemptRequest, AttemptResult, Pool, Storefront,
    UNKNOWN_RETRIES_MAX, UNKNOWN_RETRY_PAUSE, refusal,
};
use crate::{
    http_client,
    model::{StrategyKey, plan::FaultKind, sample::FailureKind},
    simulation::run_secret::{BUYER_HEADER, RunSecret},
};

/// How long a buyer waits for one response of a server behind a load balancer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections to all servers together. Each of them uses one of the about 1,000 file descriptors
/// that a process may usually open.
const CONNECTIONS_MAX: usize = 512;
/// The pause before a buyer asks for a queued order again.
const FOLLOW_PAUSE: Duration = Duration::from_millis(50);
/// Retries after a `429` response are spread over this time; sent at once, they would exceed the
/// rate limit again.
const RETRY_SPREAD_MS: u64 = 1_024;

/// The client that all lanes of a run share: the servers, and a bounded number of connections to
/// each of them.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    servers: Vec<Server>,
    failover: Failover,
}

/// Where a buyer sends a request whose outcome is unknown again, with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// To the next server, as behind a load balancer: all servers know the idempotency key.
    ToNextServer,
    /// To the same server. If the server has ended, the attempts of its buyers fail, and the run
    /// shows them.
    None,
}

impl Failover {
    /// How long a buyer waits for one response. Without another server to try, as long as a buyer
    /// in the process of the run: with a long race window, a purchase may wait in a queue for
    /// minutes, and a retry would only join that queue again.
    const fn answer_timeout(self) -> Duration {
        match self {
            Self::ToNextServer => ANSWER_TIMEOUT,
            Self::None => ATTEMPT_DEADLINE,
        }
    }
}

#[derive(Clone, Debug)]
struct Server {
    purchase: String,
    orders: String,
    connections: Arc<Semaphore>,
}

impl HttpClient {
    /// A client for the servers at `targets`, such as `http://127.0.0.1:3000`.
    ///
    /// # Errors
    /// [`reqwest::Error`] if the client cannot be built.
    pub fn new(targets: &[Url], failover: Failover) -> Result<Self, reqwest::Error> {
        let connections = (CONNECTIONS_MAX / targets.len().max(1)).max(1);
        let client = http_client::builder()
            .timeout(failover.answer_timeout())
            .tcp_nodelay(true)
            .no_proxy()
            .pool_max_idle_per_host(connections)
            .build()?;
        let server = |target: &Url| {
            let base = target.as_str().trim_end_matches('/');
            Server {
                purchase: format!("{base}/api/purchase"),
                orders: format!("{base}/api/orders"),
                connections: Arc::new(Semaphore::new(connections)),
            }
        };
        Ok(Self {
            client,
            servers: targets.iter().map(server).collect(),
            failover,
        })
    }

    /// Returns the server to which a buyer sends a request after `retries` retries.
    fn server(&self, buyer: u32, retries: u32) -> &Server {
        let turn = match self.failover {
            Failover::ToNextServer => buyer.wrapping_add(retries),
            Failover::None => buyer,
        };
        &self.servers[turn as usize % self.servers.len()]
    }

    /// Returns the number of free connections and of all connections, summed over all servers.
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

/// A storefront whose buyers send HTTP requests, all for one strategy.
#[derive(Debug)]
pub struct OverHttp {
    pub http: HttpClient,
    pub strategy: StrategyKey,
    /// Proves to the servers that the buyers belong to the run.
    pub secret: RunSecret,
}

/// The reply of a server to one request.
enum ServerReply {
    /// The result is known.
    Final(AttemptResult),
    /// The outcome is unknown: the server failed, or its response was lost.
    Unknown(FailureKind, String),
    /// The server asks for a retry after this time.
    RetryAfter(Duration),
}

/// A response, or the id of an order that waits in the queue of the server.
enum Response {
    Reply(ServerReply),
    Queued(String),
}

/// The id of an order, in the responses to a purchase and about an order.
#[derive(Deserialize)]
struct Order {
    #[serde(rename = "orderId", alias = "id")]
    order_id: String,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

#[async_trait]
impl Storefront for OverHttp {
    async fn buy(&self, request: AttemptRequest) -> Attempt {
        match request.fault {
            Some(FaultKind::DoubleClick) => {
                let click = || self.buy_with_retries(&request);
                let (one, other) = tokio::join!(click(), click());
                Attempt::merge(one, other)
            }
            Some(FaultKind::Abandon) => timeout(request.patience, self.buy_with_retries(&request))
                .await
                .unwrap_or_else(|_| Attempt::abandoned()),
            // All other faults are injected inside a server.
            _ => self.buy_with_retries(&request).await,
        }
    }

    /// Always `None`: the queue is in the memory of another process.
    fn queue_length(&self, _product_id: i64) -> Option<u64> {
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
    async fn buy_with_retries(&self, request: &AttemptRequest) -> Attempt {
        let start = Instant::now();
        let mut cost = AttemptCost::default();
        let mut unknown = 0;
        let result = loop {
            let server = self.http.server(request.buyer, cost.retries);
            match self.send(request, server, &mut cost).await {
                ServerReply::Final(result) => break result,
                ServerReply::Unknown(kind, detail) if unknown == UNKNOWN_RETRIES_MAX => {
                    break AttemptResult::Failed(kind, format!("{}: {detail}", self.strategy));
                }
                ServerReply::Unknown(..) => {
                    unknown += 1;
                    back_off(UNKNOWN_RETRY_PAUSE, &mut cost).await;
                }
                ServerReply::RetryAfter(_) if start.elapsed() > ATTEMPT_DEADLINE => {
                    let sentence = "the server still answers 429 after an hour".to_owned();
                    break AttemptResult::Failed(FailureKind::Busy, sentence);
                }
                ServerReply::RetryAfter(wait) => {
                    let spread = Duration::from_millis(u64::from(request.buyer) % RETRY_SPREAD_MS);
                    back_off(wait + spread, &mut cost).await;
                }
            }
            cost.retries += 1;
        };
        // The rest is the wait for the server, whose parts are not known here.
        cost.split.execute = start.elapsed().saturating_sub(cost.split.total());
        Attempt { result, cost }
    }

    /// Sends one request, and follows its order until it is written or refused.
    async fn send(
        &self,
        request: &AttemptRequest,
        server: &Server,
        cost: &mut AttemptCost,
    ) -> ServerReply {
        let purchase = self
            .http
            .client
            .post(format!("{}?strategy={}", server.purchase, self.strategy))
            .header(BUYER_HEADER, self.secret.token())
            .header("Idempotency-Key", &request.key)
            .json(&serde_json::json!({
                "productId": request.product_id,
                "quantity": request.quantity,
            }));
        match exchange(purchase, server, cost).await {
            Response::Reply(reply) => reply,
            Response::Queued(order_id) => self.follow(&order_id, server, cost).await,
        }
    }

    /// Asks for a queued order until its outcome is known: `accepted` is not `bought`.
    async fn follow(&self, order_id: &str, server: &Server, cost: &mut AttemptCost) -> ServerReply {
        let accepted = Instant::now();
        while accepted.elapsed() < ATTEMPT_DEADLINE {
            let paused = Instant::now();
            tokio::time::sleep(FOLLOW_PAUSE).await;
            cost.split.queue_wait += paused.elapsed();
            let order = self
                .http
                .client
                .get(format!("{}/{order_id}", server.orders));
            if let Response::Reply(reply) = exchange(order, server, cost).await {
                return reply;
            }
        }
        let sentence = "the order still waits after an hour".to_owned();
        ServerReply::Final(AttemptResult::Failed(FailureKind::TimedOut, sentence))
    }
}

/// Sends one request when one of the server's connections is free.
async fn exchange(request: RequestBuilder, server: &Server, cost: &mut AttemptCost) -> Response {
    let queued = Instant::now();
    let Ok(_connection) = server.connections.acquire().await else {
        let over = "the run is over".to_owned();
        return Response::Reply(ServerReply::Unknown(FailureKind::NoConnection, over));
    };
    cost.split.pool_wait += queued.elapsed();
    match request.send().await {
        Ok(response) => read(response).await,
        Err(error) => Response::Reply(unknown(&error)),
    }
}

async fn back_off(wait: Duration, cost: &mut AttemptCost) {
    let paused = Instant::now();
    tokio::time::sleep(wait).await;
    cost.split.backoff += paused.elapsed();
}

fn failure(error: &reqwest::Error) -> FailureKind {
    if error.is_timeout() {
        FailureKind::TimedOut
    } else {
        FailureKind::NoConnection
    }
}

fn unknown(error: &reqwest::Error) -> ServerReply {
    ServerReply::Unknown(failure(error), error.to_string())
}

async fn read(response: reqwest::Response) -> Response {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Response::Reply(ServerReply::RetryAfter(retry_after(&response)));
    }
    if status.is_success() {
        // A truncated response counts as a lost one.
        return match response.json::<Order>().await {
            Ok(order) if status == StatusCode::ACCEPTED => Response::Queued(order.order_id),
            Ok(order) => Response::Reply(ServerReply::Final(AttemptResult::Bought(order.order_id))),
            Err(error) => Response::Reply(unknown(&error)),
        };
    }
    let detail = match response.json::<Problem>().await {
        Ok(problem) => problem.detail,
        Err(error) => error.to_string(),
    };
    Response::Reply(match status.as_u16() {
        status @ (402 | 409 | 422) => {
            let reason = refusal::refusal_from_response(status, &detail);
            ServerReply::Final(AttemptResult::Rejected(reason))
        }
        503 => ServerReply::Unknown(FailureKind::NoConnection, detail),
        500.. => ServerReply::Unknown(FailureKind::OtherFault, detail),
        _ => ServerReply::Final(AttemptResult::Failed(FailureKind::OtherFault, detail)),
    })
}

/// Reads the `Retry-After` header; one second if there is none.
fn retry_after(response: &reqwest::Response) -> Duration {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(1);
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the ports of the servers that buyers 0 to 3 use, each for two tries.
    fn ports(failover: Failover) -> Vec<[String; 2]> {
        let servers = [7001, 7002, 7003].map(|port| format!("http://127.0.0.1:{port}"));
        let targets = servers.map(|server| Url::parse(&server).expect("a URL"));
        let client = HttpClient::new(&targets, failover).expect("a client");
        let port = |buyer, retries| {
            let address = &client.server(buyer, retries).purchase;
            let port = address.split([':', '/']).nth(4);
            port.expect("it has a port").to_owned()
        };
        (0..4)
            .map(|buyer| [port(buyer, 0), port(buyer, 1)])
            .collect()
    }

    #[test]
    fn buyers_use_the_servers_in_turn_and_change_only_behind_a_load_balancer() {
        assert_eq!(
            ports(Failover::ToNextServer),
            [
                ["7001", "7002"],
                ["7002", "7003"],
                ["7003", "7001"],
                ["7001", "7002"],
            ]
        );
        assert_eq!(
            ports(Failover::None),
            [
                ["7001", "7001"],
                ["7002", "7002"],
                ["7003", "7003"],
                ["7001", "7001"],
            ]
        );
    }
}
