//! Settings: from flags, then the environment, then a file `.env` in the current folder.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use url::Url;

/// Where the data lies.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// A PostgreSQL URL. Unset: an embedded PostgreSQL under --data.
    // Never shown in help or errors: it may hold a password.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,

    /// Folder of the embedded PostgreSQL.
    #[arg(
        long = "data",
        env = "DOORBUSTER_DATA",
        default_value = "./data",
        global = true
    )]
    pub data: PathBuf,
}

/// How the shop is served.
#[derive(Args, Clone, Debug)]
pub struct ServeSettings {
    /// Address to listen on.
    #[arg(long, env = "DOORBUSTER_ADDR", default_value = "127.0.0.1:3000")]
    pub addr: SocketAddr,

    /// What people type to get here. With https, cookies are for secure connections only.
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// Addresses of reverse proxies, comma-separated, whose X-Forwarded-For is believed.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<std::net::IpAddr>,

    /// The administrator's password. Unset: made at first start and printed once.
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<String>,

    /// Purchases a second allowed to one address. Unset: as many as come.
    #[arg(long, env = "PURCHASE_RATE_PER_S")]
    pub purchase_rate_per_s: Option<std::num::NonZeroU32>,

    /// A payment provider that runs already. Unset: a simulated one is started, or found running.
    #[arg(long, env = "PAYMENT_PROVIDER_URL")]
    pub payment_provider_url: Option<Url>,
}

impl ServeSettings {
    /// The address that people type: [`ServeSettings::public_url`], or the one listened on.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{bound}"),
        }
    }

    /// True when people come over https.
    pub fn is_secure(&self) -> bool {
        self.public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
    }
}
