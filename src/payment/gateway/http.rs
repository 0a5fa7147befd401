//! The provider over HTTP.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use super::{Charge, ChargeState, GatewayError, PaymentGateway, RefundRequest, RefundState};
use crate::payment::wire::{ChargeBody, ChargeOrder, ProblemBody, RefundBody, RefundOrder};

/// From the request to the last byte of its answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Where the provider is at the moment: one that was started anew listens elsewhere. Every clone sees the change.
#[derive(Clone, Debug)]
pub struct GatewayAddress(Arc<RwLock<Url>>);

impl GatewayAddress {
    /// A provider that is reached at `url`, as in `http://127.0.0.1:4000`.
    pub fn new(url: Url) -> Self {
        Self(Arc::new(RwLock::new(url)))
    }

    /// From now on calls go there.
    pub fn set(&self, url: Url) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// Where calls go.
    pub fn url(&self) -> Url {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A provider that speaks HTTP, the simulated one for example.
pub struct HttpGateway {
    client: Client,
    address: GatewayAddress,
    secret: String,
}

impl HttpGateway {
    /// Calls the provider at `address`, which knows us by `secret`.
    ///
    /// # Errors
    /// [`GatewayError::NotSent`] if there can be no client here.
    pub fn new(address: GatewayAddress, secret: impl Into<String>) -> Result<Self, GatewayError> {
        let client = Client::builder()
            .timeout(CALL_TIMEOUT)
            // A card goes to the provider itself and to nobody who was named by an answer or by the environment.
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| GatewayError::NotSent(chain(&error)))?;
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
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, GatewayError> {
        let response = send(self.request(Method::POST, path).json(body)).await?;
        read(response).await
    }
}

impl fmt::Debug for HttpGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the secret.
        f.debug_tuple("HttpGateway").field(&self.address).finish()
    }
}

#[async_trait]
impl PaymentGateway for HttpGateway {
    async fn charge(&self, charge: &Charge) -> Result<ChargeState, GatewayError> {
        let order = ChargeOrder::from(charge);
        let charge: ChargeBody = self.post("/v1/charges", &order).await?;
        Ok(charge.into())
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeState>, GatewayError> {
        let path = format!("/v1/charges/{reference}");
        let response = send(self.request(Method::GET, &path)).await?;
        let status = response.status();
        match read::<ChargeBody>(response).await {
            Ok(charge) => Ok(Some(charge.into())),
            Err(GatewayError::Refused(_)) if status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeState, GatewayError> {
        let path = format!("/v1/charges/{reference}/void");
        let response = send(self.request(Method::POST, &path)).await?;
        let charge: ChargeBody = read(response).await?;
        Ok(charge.into())
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        let order = RefundOrder::from(refund);
        let refund: RefundBody = self.post("/v1/refunds", &order).await?;
        Ok(refund.state.into())
    }
}

async fn send(request: RequestBuilder) -> Result<Response, GatewayError> {
    request.send().await.map_err(|error| {
        // Only without a connection is it certain that nobody heard us.
        if error.is_connect() || error.is_builder() {
            GatewayError::NotSent(chain(&error))
        } else {
            GatewayError::Unknown(chain(&error))
        }
    })
}

/// From here on the request has arrived, so whatever cannot be read leaves its outcome unknown; also a refusal that is not in the
/// provider's words, which may come from whoever listens there now.
async fn read<T: DeserializeOwned>(response: Response) -> Result<T, GatewayError> {
    let status = response.status();
    let unknown = |error: reqwest::Error| GatewayError::Unknown(chain(&error));
    if status.is_success() {
        return response.json().await.map_err(unknown);
    }
    let problem: ProblemBody = response.json().await.map_err(unknown)?;
    let said = format!("{}: {}", status.as_u16(), problem.error);
    if status.is_client_error() {
        Err(GatewayError::Refused(said))
    } else {
        Err(GatewayError::Unknown(said))
    }
}

/// What went wrong, and why; an HTTP client says the second part only when asked.
fn chain(error: &reqwest::Error) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said.push_str(": ");
        said.push_str(&cause.to_string());
        source = cause.source();
    }
    said
}
