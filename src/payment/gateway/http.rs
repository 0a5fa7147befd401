//! A payment gateway that calls the provider over HTTP.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};
use tracing::Instrument;
use url::Url;
use uuid::Uuid;

use super::{Charge, ChargeReport, GatewayError, PaymentGateway, RefundRequest, RefundState};
use crate::{
    http_client,
    payment::wire::{ChargeBody, ChargeRequestBody, ProblemBody, RefundBody, RefundRequestBody},
    telemetry::spans,
};

/// From sending the request to the last byte of its response.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// The provider's current address: a restarted provider listens on another port. All clones share
/// it.
#[derive(Clone, Debug)]
pub struct GatewayAddress(Arc<RwLock<Url>>);

impl GatewayAddress {
    /// The address of the provider at `url`, for example `http://127.0.0.1:4000`.
    pub fn new(url: Url) -> Self {
        Self(Arc::new(RwLock::new(url)))
    }

    /// Sends all further calls to `url`.
    pub fn set(&self, url: Url) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// The URL to which calls are sent.
    pub fn url(&self) -> Url {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A client of a payment provider that is reached over HTTP, such as the simulated one.
pub struct HttpGateway {
    client: Client,
    address: GatewayAddress,
    secret: String,
}

impl HttpGateway {
    /// Creates a client for the provider at `address`, authenticated by `secret`.
    ///
    /// # Errors
    /// [`GatewayError::NotSent`] if the HTTP client cannot be created.
    pub fn new(address: GatewayAddress, secret: impl Into<String>) -> Result<Self, GatewayError> {
        let client = http_client::builder()
            .timeout(CALL_TIMEOUT)
            // Card data is sent to the provider only: no redirects, and no proxy from the
            // environment.
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| GatewayError::NotSent(error_chain(&error)))?;
        Ok(Self {
            client,
            address,
            secret: secret.into(),
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.address.url();
        url.set_path(path);
        self.client.request(method, url).bearer_auth(&self.secret)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, GatewayError> {
        let request = self.request(Method::POST, path).json(body);
        let response = send(operation, request).await?;
        read(response).await
    }
}

impl fmt::Debug for HttpGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret is left out.
        f.debug_tuple("HttpGateway").field(&self.address).finish()
    }
}

#[async_trait]
impl PaymentGateway for HttpGateway {
    async fn charge(&self, charge: &Charge) -> Result<ChargeReport, GatewayError> {
        let request = ChargeRequestBody::from(charge);
        report(self.post("charge", "/v1/charges", &request).await?)
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeReport>, GatewayError> {
        let path = format!("/v1/charges/{reference}");
        let response = send("charge state", self.request(Method::GET, &path)).await?;
        let status = response.status();
        match read::<ChargeBody>(response).await {
            Ok(charge) => report(charge).map(Some),
            Err(GatewayError::Refused(_)) if status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeReport, GatewayError> {
        let path = format!("/v1/charges/{reference}/void");
        let response = send("void", self.request(Method::POST, &path)).await?;
        report(read(response).await?)
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        let request = RefundRequestBody::from(refund);
        let refund: RefundBody = self.post("refund", "/v1/refunds", &request).await?;
        if refund.amount_cents != request.amount_cents {
            tracing::error!(
                reference = %request.reference,
                requested = request.amount_cents,
                reported = refund.amount_cents,
                "the payment provider reports another amount of a refund, in cents"
            );
            return Err(GatewayError::Unknown(
                "the refund has another amount".to_owned(),
            ));
        }
        Ok(refund.state.into())
    }
}

fn report(charge: ChargeBody) -> Result<ChargeReport, GatewayError> {
    ChargeReport::try_from(charge).map_err(|error| GatewayError::Unknown(error.to_string()))
}

/// Sends a request, within a span whose trace the provider can continue.
async fn send(operation: &'static str, request: RequestBuilder) -> Result<Response, GatewayError> {
    let span = spans::provider_call(operation);
    let request = request.headers(spans::headers_of(&span));
    let sent = request.send().instrument(span.clone()).await;
    match &sent {
        Ok(response) => spans::answered(&span, response.status().as_u16()),
        Err(error) if error.is_timeout() => spans::ended(&span, "timeout", true),
        Err(_) => spans::ended(&span, "connection", true),
    }
    sent.map_err(|error| {
        // Only without a connection is it certain that the request did not arrive.
        if error.is_connect() || error.is_builder() {
            GatewayError::NotSent(error_chain(&error))
        } else {
            GatewayError::Unknown(error_chain(&error))
        }
    })
}

/// Reads a response. The request has arrived, so the outcome is unknown if the response cannot be
/// read. That includes an error response that is not in the provider's format: another program may
/// listen on that port now.
async fn read<T: DeserializeOwned>(response: Response) -> Result<T, GatewayError> {
    let status = response.status();
    let unknown = |error: reqwest::Error| GatewayError::Unknown(error_chain(&error));
    if status.is_success() {
        return response.json().await.map_err(unknown);
    }
    let problem: ProblemBody = response.json().await.map_err(unknown)?;
    let message = format!("{}: {}", status.as_u16(), problem.error);
    if status.is_client_error() {
        Err(GatewayError::Refused(message))
    } else {
        Err(GatewayError::Unknown(message))
    }
}

/// The error's message followed by those of its causes, which `reqwest` leaves out, or a sentence
/// about the provider's certificate.
fn error_chain(error: &reqwest::Error) -> String {
    if let Some(problem) = http_client::tls_problem(error) {
        return problem;
    }
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message
}
