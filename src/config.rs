//! Settings: from flags, then the environment, then a file `.env` in the current folder.

pub mod crash_point;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use url::Url;

use crate::model::StrategyKey;

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

    /// What shop and provider know each other by. Unset: made at first start, and kept in the database.
    #[arg(long, env = "PAYMENT_SECRET", hide_env_values = true)]
    pub payment_secret: Option<String>,

    #[command(flatten)]
    pub terms: ShopTerms,
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

/// The terms on which the shop sells.
#[derive(Args, Clone, Debug)]
pub struct ShopTerms {
    /// How long stock is set aside at the checkout, in seconds.
    #[arg(long, env = "HOLD_TTL_S", default_value_t = ShopTerms::HOLD_TTL_S, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub hold_ttl_s: u32,

    /// How stock is taken: a strategy that can set it aside.
    #[arg(long = "shop-strategy", env = "SHOP_STRATEGY", default_value = "row-lock", value_parser = holding_strategy)]
    pub strategy: StrategyKey,

    /// What happens when a payment arrives, the hold is gone, and nothing is left.
    #[arg(long, env = "PAID_WITHOUT_STOCK", value_enum, default_value_t = PaidWithoutStock::Refund)]
    pub paid_without_stock: PaidWithoutStock,
}

/// What happens to an order that is paid for when nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PaidWithoutStock {
    /// It is cancelled, and the money goes back.
    Refund,
    /// It waits, and is served first when stock arrives.
    Backorder,
}

impl ShopTerms {
    const HOLD_TTL_S: u32 = 600;

    /// How long a hold stands.
    pub fn hold_ttl(&self) -> time::Duration {
        time::Duration::seconds(self.hold_ttl_s.into())
    }
}

impl Default for ShopTerms {
    fn default() -> Self {
        Self {
            hold_ttl_s: Self::HOLD_TTL_S,
            strategy: StrategyKey::RowLock,
            paid_without_stock: PaidWithoutStock::Refund,
        }
    }
}

fn holding_strategy(key: &str) -> Result<StrategyKey, String> {
    let strategy: StrategyKey = key.parse().map_err(|error| format!("{error}"))?;
    if strategy.can_hold() {
        Ok(strategy)
    } else {
        Err(format!("{strategy} cannot set stock aside"))
    }
}
