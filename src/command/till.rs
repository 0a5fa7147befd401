//! The payment provider behind a command: the one that the settings name, or one of our own.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use doorbuster::payment::{
    gateway::{GatewayAddress, HttpGateway, PaymentGateway},
    provider_process::{ProviderLaunch, ProviderProcess},
};
use url::Url;

use crate::Failure;

/// What a provider of our own works with.
pub struct OwnProvider {
    pub database_url: String,
    /// Where the file lies by which the next shop finds it.
    pub data: PathBuf,
    /// Where it tells what happened. `None`: nobody listens.
    pub webhook_url: Option<Url>,
}

/// A provider that can be asked.
pub struct Till {
    gateway: Arc<HttpGateway>,
    own: Option<ProviderProcess>,
}

impl Till {
    /// Asks the provider at `url`, whoever runs it.
    pub fn of(url: Url, secret: &str) -> Result<Self, Failure> {
        Ok(Self {
            gateway: Arc::new(HttpGateway::new(GatewayAddress::new(url), secret)?),
            own: None,
        })
    }

    /// Finds or starts a provider of our own.
    pub async fn open(own: OwnProvider, secret: &str) -> Result<Self, Failure> {
        let launch = ProviderLaunch {
            program: std::env::current_exe()?,
            database_url: own.database_url,
            data: own.data,
            secret: secret.to_owned(),
            webhook_url: own.webhook_url,
        };
        let (process, address) = ProviderProcess::ensure(launch).await?;
        Ok(Self {
            gateway: Arc::new(HttpGateway::new(address, secret)?),
            own: Some(process),
        })
    }

    /// What the shop asks through.
    pub fn gateway(&self) -> Arc<dyn PaymentGateway> {
        self.gateway.clone()
    }

    /// Ends a provider that was started here.
    pub async fn close(self) {
        if let Some(process) = self.own {
            process.stop().await;
        }
    }
}

/// Where a server that listens on `bound` is told what happened: on this machine, so never through a proxy.
pub fn webhook_url(bound: SocketAddr) -> Result<Url, Failure> {
    let host = if bound.ip().is_unspecified() {
        "127.0.0.1".to_owned()
    } else {
        match bound {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        }
    };
    Ok(Url::parse(&format!(
        "http://{host}:{}/api/payments/webhook",
        bound.port()
    ))?)
}
