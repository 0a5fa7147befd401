//! Keep-alive HTTP clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use doorbuster::model::StrategyKey;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode, body::Bytes, client::conn::http1::SendRequest, header,
};
use tokio::task::JoinSet;
use url::form_urlencoded;
use uuid::Uuid;

use crate::{Failure, buyers::per_second, connection::connect};

const WARM_UP: Duration = Duration::from_millis(500);

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Call {
    /// `GET` of a path.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// `POST` of a form, as a browser sends it without JavaScript.
    pub fn form(path: &str, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self {
            method: Method::POST,
            path: path.to_owned(),
            headers: vec![
                (
                    "content-type",
                    "application/x-www-form-urlencoded".to_owned(),
                ),
                // A browser is redirected; a program gets the error.
                ("accept", "text/html".to_owned()),
            ],
            body: body.into(),
        }
    }

    /// `POST /api/purchase` of one unit with its own idempotency key; without a strategy, with the
    /// shop's.
    pub fn purchase(product_id: i64, strategy: Option<StrategyKey>) -> Self {
        let path = match strategy {
            Some(strategy) => format!("/api/purchase?strategy={strategy}"),
            None => "/api/purchase".to_owned(),
        };
        Self {
            method: Method::POST,
            path,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("idempotency-key", Uuid::now_v7().to_string()),
            ],
            body: format!(r#"{{"productId": {product_id}, "quantity": 1}}"#).into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Bytes,
}

impl Response {
    /// Checks that the request was answered with 200.
    pub fn check_ok(&self, call: &Call) -> Result<(), Failure> {
        if self.status == StatusCode::OK {
            return Ok(());
        }
        Err(self.unexpected(call))
    }

    /// Returns an error that shows the response.
    pub fn unexpected(&self, call: &Call) -> Failure {
        let body: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(300)
            .collect();
        format!(
            "{} {} was answered with {}: {body}",
            call.method, call.path, self.status
        )
        .into()
    }

    /// Returns a header as text, empty if it is missing.
    pub fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// A connection that is kept alive.
#[derive(Debug)]
pub struct Connection {
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to a server.
    pub async fn open(address: &str) -> Result<Self, Failure> {
        Ok(Self {
            address: address.to_owned(),
            sender: connect(address).await?,
        })
    }

    /// Sends a request, and reads its response to the end.
    pub async fn send(&mut self, call: &Call) -> Result<Response, Failure> {
        if self.sender.is_closed() {
            self.sender = connect(&self.address).await?;
        }
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(call.path.as_str())
            .header(header::HOST, self.address.as_str());
        for (name, value) in &call.headers {
            request = request.header(*name, value.as_str());
        }
        let request = request.body(Full::new(call.body.clone()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        Ok(Response {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

#[derive(Default)]
struct Tally {
    stopped: AtomicBool,
    responses: AtomicU64,
}

/// Sends requests from `connections` in a closed loop, and returns the responses per second, which
/// are all 200.
pub async fn responses_per_second(
    address: &str,
    connections: u32,
    time: Duration,
    make_call: impl Fn() -> Call + Clone + Send + Sync + 'static,
) -> Result<f64, Failure> {
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let connection = Connection::open(address).await?;
        clients.spawn(call_until_stopped(
            connection,
            make_call.clone(),
            Arc::clone(&tally),
        ));
    }
    let responses = || tally.responses.load(Ordering::Relaxed);
    tokio::time::sleep(WARM_UP).await;
    let (before, start) = (responses(), Instant::now());
    tokio::time::sleep(time).await;
    let (after, elapsed) = (responses(), start.elapsed());
    tally.stopped.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(per_second(after - before, elapsed))
}

async fn call_until_stopped(
    mut connection: Connection,
    make_call: impl Fn() -> Call + Send + Sync,
    tally: Arc<Tally>,
) -> Result<(), Failure> {
    while !tally.stopped.load(Ordering::Relaxed) {
        let call = make_call();
        connection.send(&call).await?.check_ok(&call)?;
        tally.responses.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
