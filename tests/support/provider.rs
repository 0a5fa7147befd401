//! A payment provider in the test's own process, started at the first payment. The shop still calls
//! it over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use doorbuster::payment::{
    gateway::{
        Charge, ChargeReport, GatewayAddress, GatewayError, HttpGateway, PaymentGateway,
        RefundRequest, RefundState,
    },
    provider::{self, ProviderSettings},
};
use tokio::{net::TcpListener, sync::OnceCell};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;
use uuid::Uuid;

/// The secret that the shop and the provider share.
pub const SECRET: &str = "known to shop and provider";
const LATENCY: Duration = Duration::from_millis(5);

/// A gateway that starts its provider at the first call.
#[derive(Debug)]
pub struct OnDemand {
    database_url: String,
    running: OnceCell<Running>,
}

#[derive(Debug)]
struct Running {
    gateway: HttpGateway,
    // Stops the provider at the end of the test.
    _stop: DropGuard,
}

/// Starts a provider on the database at `database_url`. Returns its URL, and what stops it.
pub async fn serve(database_url: &str) -> (Url, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let url = Url::parse(&format!("http://{address}")).expect("a URL");
    let stop = CancellationToken::new();
    let settings = ProviderSettings {
        database_url: database_url.to_owned(),
        secret: SECRET.to_owned(),
        webhook_url: None,
        latency: LATENCY,
        exit_when_idle: None,
    };
    tokio::spawn(provider::serve(listener, settings, stop.clone()));
    (url, stop.drop_guard())
}

impl OnDemand {
    pub fn on(database_url: &str) -> Self {
        Self {
            database_url: database_url.to_owned(),
            running: OnceCell::new(),
        }
    }

    async fn gateway(&self) -> &HttpGateway {
        &self
            .running
            .get_or_init(|| start(&self.database_url))
            .await
            .gateway
    }
}

async fn start(database_url: &str) -> Running {
    let (url, stop) = serve(database_url).await;
    Running {
        gateway: HttpGateway::new(GatewayAddress::new(url), SECRET).expect("a client"),
        _stop: stop,
    }
}

#[async_trait]
impl PaymentGateway for OnDemand {
    async fn charge(&self, charge: &Charge) -> Result<ChargeReport, GatewayError> {
        self.gateway().await.charge(charge).await
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeReport>, GatewayError> {
        self.gateway().await.charge_state(reference).await
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeReport, GatewayError> {
        self.gateway().await.void(reference).await
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        self.gateway().await.refund(refund).await
    }
}
