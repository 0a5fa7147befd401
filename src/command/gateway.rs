//! The payment provider of a command: the one in the settings, or a simulated one.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use doorbuster::payment::{
    gateway::{GatewayAddress, HttpGateway, PaymentGateway},
    provider_process::{ProviderLaunch, ProviderProcess},
};
use url::Url;

use crate::CommandError;

/// The settings of a simulated provider.
pub struct OwnProvider {
    pub database_url: String,
    /// The folder of the file by which another shop process finds the provider.
    pub data: PathBuf,
    /// The URL for webhooks; `None` if no server receives them.
    pub webhook_url: Option<Url>,
}

/// A connection to a payment provider.
pub struct OpenGateway {
    gateway: Arc<HttpGateway>,
    own: Option<ProviderProcess>,
    /// The folder of the provider's file, if it is removed when the gateway is closed.
    temporary_folder: Option<PathBuf>,
}

impl OpenGateway {
    /// Connects to the running provider at `url`.
    pub fn connect(url: Url, secret: &str) -> Result<Self, CommandError> {
        Ok(Self {
            gateway: Arc::new(HttpGateway::new(GatewayAddress::new(url), secret)?),
            own: None,
            temporary_folder: None,
        })
    }

    /// Finds or starts a simulated provider.
    pub async fn open(own: OwnProvider, secret: &str) -> Result<Self, CommandError> {
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
            temporary_folder: None,
        })
    }

    /// Removes the folder of the provider's file when the gateway is closed.
    pub fn in_temporary_folder(self, folder: PathBuf) -> Self {
        Self {
            temporary_folder: Some(folder),
            ..self
        }
    }

    /// Returns the gateway for the shop.
    pub fn handle(&self) -> Arc<dyn PaymentGateway> {
        self.gateway.clone()
    }

    /// Stops a simulated provider that this process started.
    pub async fn close(self) {
        if let Some(process) = self.own {
            process.stop().await;
        }
        if let Some(folder) = self.temporary_folder {
            // The folder is empty now; if it cannot be removed, it does no harm.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Returns the webhook URL of a server that listens on `bound`: on this machine, never through a
/// proxy.
pub fn webhook_url(bound: SocketAddr) -> Result<Url, CommandError> {
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
