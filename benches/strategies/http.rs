//! Keep-alive clients that send requests to a server in a closed loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use doorbuster::{model::StrategyKey, simulation::run_secret::BUYER_HEADER};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1::SendRequest, header};
use tokio::task::JoinSet;

use crate::{
    Failure,
    buyers::Count,
    connection::connect,
    lane::Lane,
    window::{self, Window},
};

/// Number of connections, each with one request at a time.
pub const CLIENTS: u32 = 64;

/// The request that clients send.
#[derive(Clone, Copy, Debug)]
pub enum RequestKind {
    /// `POST /api/purchase` of one unit, with its own idempotency key.
    Purchase(StrategyKey, Lane),
    /// `POST /api/purchase` of one unit of product 1 of the yardstick, which knows neither runs nor
    /// keys.
    YardstickPurchase,
    /// `GET /healthz`: the cost of HTTP alone.
    Health,
}

/// The result of the clients' requests.
#[derive(Debug)]
pub struct ResponseRate {
    /// The counted responses within the measured time.
    pub measured: Window,
    /// All successful responses, including those of the warm-up.
    pub responses: u64,
}

#[derive(Default)]
struct Tally {
    stopped: AtomicBool,
    responses: AtomicU64,
    rejections: AtomicU64,
}

/// Sends requests from [`CLIENTS`] connections to a server for `time`, after `warm_up`. A rejection
/// is a failure unless rejections are counted.
pub async fn send_requests(
    address: &str,
    kind: RequestKind,
    count: Count,
    warm_up: Duration,
    time: Duration,
) -> Result<ResponseRate, Failure> {
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let sender = connect(address).await?;
        let (address, tally) = (address.to_owned(), Arc::clone(&tally));
        clients.spawn(async move {
            send_until_stopped(sender, &address, kind, count, client, &tally).await
        });
    }
    let responses = || tally.responses.load(Ordering::Relaxed);
    tokio::time::sleep(warm_up).await;
    let measured = match count {
        Count::Orders => window::measure(time, responses).await,
        Count::Rejections => {
            window::measure(time, || tally.rejections.load(Ordering::Relaxed)).await
        }
    };
    tally.stopped.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(ResponseRate {
        measured,
        responses: responses(),
    })
}

async fn send_until_stopped(
    mut sender: SendRequest<Full<Bytes>>,
    address: &str,
    kind: RequestKind,
    count: Count,
    client: u32,
    tally: &Tally,
) -> Result<(), Failure> {
    for turn in 0_u64.. {
        if tally.stopped.load(Ordering::Relaxed) {
            break;
        }
        sender.ready().await?;
        let response = sender
            .send_request(request(address, kind, client, turn)?)
            .await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let counter = match (status, count) {
            // A queue answers with a place.
            (StatusCode::OK | StatusCode::ACCEPTED, _) => &tally.responses,
            (StatusCode::CONFLICT, Count::Rejections) => &tally.rejections,
            _ => return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into()),
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn request(
    address: &str,
    kind: RequestKind,
    client: u32,
    turn: u64,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let request = Request::builder().header(header::HOST, address);
    match kind {
        RequestKind::Purchase(strategy, lane) => request
            .method(Method::POST)
            .uri(format!("/api/purchase?strategy={strategy}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(BUYER_HEADER, lane.secret.token())
            .header("Idempotency-Key", format!("bench-client-{client}:{turn}"))
            .body(Full::from(format!(
                r#"{{"productId": {}, "quantity": 1}}"#,
                lane.product_id
            ))),
        RequestKind::YardstickPurchase => request
            .method(Method::POST)
            .uri("/api/purchase")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(r#"{"productId": 1, "quantity": 1}"#)),
        RequestKind::Health => request.uri("/healthz").body(Full::default()),
    }
}
