//! A provider within the test process, and a receiver for its webhooks.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use doorbuster::{
    model::{Currency, Money, PaymentCard},
    payment::{
        event,
        gateway::{
            Charge, ChargeReport, ChargeState, GatewayAddress, GatewayError, HttpGateway,
            PaymentGateway, ProviderEvent, RefundRequest, RefundState,
        },
        provider::{self, ProviderSettings},
        signature,
    },
};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use crate::support::{PATIENCE, TestDatabase};

pub const SECRET: &str = "known to shop and provider";
pub const LATENCY: Duration = Duration::from_millis(20);

/// A provider within this process. It stops when it is dropped.
pub struct TestProvider {
    pub gateway: HttpGateway,
    pub url: Url,
    shutdown: CancellationToken,
}

impl TestProvider {
    pub async fn on(database: &TestDatabase) -> Self {
        Self::with(database, LATENCY, None).await
    }

    pub async fn with(
        database: &TestDatabase,
        latency: Duration,
        receiver: Option<&WebhookReceiver>,
    ) -> Self {
        let listener = listener().await;
        let url = url_of(&listener);
        let shutdown = CancellationToken::new();
        let settings = ProviderSettings {
            database_url: database.url().to_owned(),
            secret: SECRET.to_owned(),
            webhook_url: receiver.map(|receiver| receiver.url.clone()),
            latency,
            exit_when_idle: None,
        };
        tokio::spawn(provider::serve(listener, settings, shutdown.clone()));
        Self {
            gateway: gateway(url.clone()),
            url,
            shutdown,
        }
    }

    /// Sends a charge from a task of its own.
    pub fn spawn_charge(
        &self,
        charge: Charge,
    ) -> tokio::task::JoinHandle<Result<ChargeState, GatewayError>> {
        let gateway = gateway(self.url.clone());
        tokio::spawn(async move { gateway.charge(&charge).await.state() })
    }

    /// Waits until the charge has the given state.
    pub async fn wait_for_state(&self, reference: Uuid, state: ChargeState) {
        until("the charge's state", async || {
            let now = self.gateway.charge_state(reference).await.state();
            (now == Ok(Some(state.clone()))).then_some(())
        })
        .await;
    }
}

impl Drop for TestProvider {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

pub fn url_of(listener: &TcpListener) -> Url {
    let address = listener.local_addr().expect("it has an address");
    Url::parse(&format!("http://{address}")).expect("a URL")
}

pub fn gateway(url: Url) -> HttpGateway {
    HttpGateway::new(GatewayAddress::new(url), SECRET).expect("a client")
}

/// Repeats `ask` until it returns a value. Panics after [`PATIENCE`].
#[track_caller]
pub fn until<T>(what: &'static str, ask: impl AsyncFn() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "timed out waiting for {what} (at {caller})"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reduces a response about a charge to its state, for tests that are not about the amount.
pub trait StateOf {
    type State;
    fn state(self) -> Self::State;
}

impl StateOf for Result<ChargeReport, GatewayError> {
    type State = Result<ChargeState, GatewayError>;

    fn state(self) -> Self::State {
        self.map(|report| report.state)
    }
}

impl StateOf for Result<Option<ChargeReport>, GatewayError> {
    type State = Result<Option<ChargeState>, GatewayError>;

    fn state(self) -> Self::State {
        self.map(|found| found.map(|report| report.state))
    }
}

pub fn euros(cents: i64) -> Money {
    Money::new(cents, Currency::EUR)
}

/// A new charge of 12.50 to a card.
pub fn charge_to(number: &str) -> Charge {
    Charge {
        reference: Uuid::new_v4(),
        amount: euros(1_250),
        card: PaymentCard {
            number: number.to_owned(),
            expiry: "12/40".to_owned(),
            cvc: "123".to_owned(),
        },
    }
}

/// A new refund of some of a charge.
pub fn refund_of(charge: &Charge, cents: i64) -> RefundRequest {
    RefundRequest {
        reference: Uuid::new_v4(),
        charge: charge.reference,
        amount: euros(cents),
    }
}

pub fn is_unknown<T>(answer: &Result<T, GatewayError>) -> bool {
    matches!(answer, Err(GatewayError::Unknown(_)))
}

pub fn is_refused<T>(answer: &Result<T, GatewayError>) -> bool {
    matches!(answer, Err(GatewayError::Refused(_)))
}

/// Receives webhooks as the shop does, and records every one with a valid signature.
#[derive(Clone)]
pub struct WebhookReceiver {
    pub url: Url,
    received: Arc<Mutex<Vec<ProviderEvent>>>,
    rejections_left: Arc<Mutex<u32>>,
}

impl WebhookReceiver {
    pub async fn open() -> Self {
        Self::rejecting(0).await
    }

    /// A receiver that first answers this number of webhooks with an error.
    pub async fn rejecting(webhooks: u32) -> Self {
        let listener = listener().await;
        let mut url = url_of(&listener);
        url.set_path("/webhook");
        let receiver = Self {
            url,
            received: Arc::default(),
            rejections_left: Arc::new(Mutex::new(webhooks)),
        };
        let router = Router::new()
            .route("/webhook", post(receive))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub fn received(&self) -> Vec<ProviderEvent> {
        self.received
            .lock()
            .expect("no panic under this lock")
            .clone()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.received()
            .into_iter()
            .map(|event| event.kind)
            .collect()
    }

    /// Waits until at least `count` webhooks have been received.
    pub async fn wait_for(&self, count: usize) -> Vec<ProviderEvent> {
        until("webhooks", async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

async fn receive(
    State(receiver): State<WebhookReceiver>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let mut rejections_left = receiver
        .rejections_left
        .lock()
        .expect("no panic under this lock");
    if *rejections_left > 0 {
        *rejections_left -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let header = headers[signature::HEADER].to_str().expect("text");
    let now = OffsetDateTime::now_utc().unix_timestamp();
    if signature::verify(SECRET, header, &body, now).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let event = event::parse(&body).expect("a signed body is an event");
    let mut received = receiver.received.lock().expect("no panic under this lock");
    received.push(event);
    StatusCode::NO_CONTENT
}

/// The refunds in the events, with their states.
pub fn refunds_in(received: &[ProviderEvent]) -> Vec<(Uuid, RefundState)> {
    received.iter().filter_map(|event| event.refund).collect()
}
