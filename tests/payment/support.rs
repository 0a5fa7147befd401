//! A provider, and a shop's ear for its webhooks.

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
            Charge, ChargeState, GatewayAddress, GatewayError, HttpGateway, PaymentGateway,
            ProviderEvent, RefundRequest, RefundState,
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

/// A provider within this process. It ends with its test.
pub struct TestProvider {
    pub gateway: HttpGateway,
    pub url: Url,
    shutdown: CancellationToken,
}

impl TestProvider {
    pub async fn on(database: &TestDatabase) -> Self {
        Self::with(database, LATENCY, None).await
    }

    pub async fn with(database: &TestDatabase, latency: Duration, ear: Option<&Ear>) -> Self {
        let listener = listener().await;
        let url = url_of(&listener);
        let shutdown = CancellationToken::new();
        let settings = ProviderSettings {
            database_url: database.url().to_owned(),
            secret: SECRET.to_owned(),
            webhook_url: ear.map(|ear| ear.url.clone()),
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

    /// A charge that is sent and waited for by somebody else.
    pub fn charge_apart(
        &self,
        charge: Charge,
    ) -> tokio::task::JoinHandle<Result<ChargeState, GatewayError>> {
        let gateway = gateway(self.url.clone());
        tokio::spawn(async move { gateway.charge(&charge).await })
    }

    /// Returns once the charge is as told.
    pub async fn until(&self, reference: Uuid, state: ChargeState) {
        until("the charge's state", async || {
            let now = self.gateway.charge_state(reference).await;
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

/// Asks until there is an answer.
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
                "{what}: not by now (at {caller})"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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

/// What a shop hears: every webhook whose signature is right.
#[derive(Clone)]
pub struct Ear {
    pub url: Url,
    heard: Arc<Mutex<Vec<ProviderEvent>>>,
    deaf_for: Arc<Mutex<u32>>,
}

impl Ear {
    pub async fn open() -> Self {
        Self::deaf_for(0).await
    }

    /// One that answers so many webhooks with an error first.
    pub async fn deaf_for(webhooks: u32) -> Self {
        let listener = listener().await;
        let mut url = url_of(&listener);
        url.set_path("/webhook");
        let ear = Self {
            url,
            heard: Arc::default(),
            deaf_for: Arc::new(Mutex::new(webhooks)),
        };
        let router = Router::new()
            .route("/webhook", post(hear))
            .with_state(ear.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        ear
    }

    pub fn heard(&self) -> Vec<ProviderEvent> {
        self.heard.lock().expect("no panic under this lock").clone()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.heard().into_iter().map(|event| event.kind).collect()
    }

    /// Returns once so many webhooks have come.
    pub async fn until_heard(&self, count: usize) -> Vec<ProviderEvent> {
        until("webhooks", async || {
            let heard = self.heard();
            (heard.len() >= count).then_some(heard)
        })
        .await
    }
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut deaf_for = ear.deaf_for.lock().expect("no panic under this lock");
    if *deaf_for > 0 {
        *deaf_for -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let header = headers[signature::HEADER].to_str().expect("text");
    let now = OffsetDateTime::now_utc().unix_timestamp();
    if signature::verify(SECRET, header, &body, now).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let event = event::parse(&body).expect("what is signed is an event");
    let mut heard = ear.heard.lock().expect("no panic under this lock");
    heard.push(event);
    StatusCode::NO_CONTENT
}

/// The events of refunds, with how their refund stood.
pub fn refunds_in(heard: &[ProviderEvent]) -> Vec<(Uuid, RefundState)> {
    heard.iter().filter_map(|event| event.refund).collect()
}
