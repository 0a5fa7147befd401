//! Settings: from flags, environment variables, or a file `.env` in the current folder, in this
//! order of precedence.

pub mod crash_point;
mod hold_limits;
pub mod open_files;
mod redis;
mod traces;
mod wrong_setting;

pub use hold_limits::HoldLimits;
pub use redis::RedisSettings;
pub use traces::{Sampling, TraceSettings};
pub use wrong_setting::WrongSetting;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use url::Url;

use crate::model::StrategyKey;

/// The database settings.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// URL of a PostgreSQL (postgres://user:password@host:5432/name), MariaDB or MySQL
    /// (mysql://user:password@host:3306/name). Default: an embedded PostgreSQL in the folder
    /// --data.
    // Never shown in help or errors: it can contain a password.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,

    /// Addresses of the nodes of a Galera cluster, comma-separated (node1:3306,node2:3306): a
    /// simulation can write to the first one or to all.
    #[arg(
        long,
        env = "DATABASE_NODES",
        value_delimiter = ',',
        value_name = "HOST:PORT",
        global = true
    )]
    pub database_nodes: Vec<String>,

    /// Data folder of the embedded PostgreSQL.
    #[arg(
        long = "data",
        env = "DOORBUSTER_DATA",
        default_value = "./data",
        global = true
    )]
    pub data: PathBuf,
}

impl DatabaseSettings {
    /// Returns the URL. An empty variable, as in a template of `.env`, is none.
    pub fn url(&self) -> Option<&str> {
        self.database_url.as_deref().filter(|url| !url.is_empty())
    }

    /// Returns the addresses of the nodes of the cluster. An empty variable contains none.
    pub fn nodes(&self) -> Vec<String> {
        let nodes = self.database_nodes.iter().map(|node| node.trim());
        let nodes = nodes.filter(|node| !node.is_empty());
        nodes.map(ToOwned::to_owned).collect()
    }
}

/// The server settings.
#[derive(Args, Clone, Debug)]
pub struct ServeSettings {
    /// Address to listen on.
    #[arg(long, env = "DOORBUSTER_ADDR", default_value = "127.0.0.1:3000")]
    pub addr: SocketAddr,

    /// Address on which anyone may read /metrics, for Prometheus. Default: none; the administrator
    /// can read them at the shop's address.
    #[arg(long, env = "METRICS_ADDR")]
    pub metrics_addr: Option<SocketAddr>,

    /// URL of the same database, without a pooler in transaction mode. Default: the database URL.
    /// The server uses it to receive the notices of other servers.
    // Never shown in help or errors: it can contain a password.
    #[arg(long, env = "DATABASE_DIRECT_URL", hide_env_values = true)]
    pub database_direct_url: Option<String>,

    /// Public URL of the shop. With https, cookies are sent over secure connections only.
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// IP addresses of reverse proxies whose X-Forwarded-For is trusted, comma-separated.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<std::net::IpAddr>,

    /// Maximum open connections. The limit of open files can lower it.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    pub connections_max: u32,

    /// Maximum open connections from one client address; at most half of all connections.
    #[arg(long, env = "CONNECTIONS_PER_ADDRESS_MAX", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address_max: u32,

    /// Administrator password. Default: generated at the first start and printed once.
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<String>,

    /// Whether unknown callers may buy with POST /api/purchase. Default: on, but off if the public
    /// URL uses https; there, on requires --purchase-rate-per-s.
    #[arg(long, env = "EXPRESS_PURCHASE", value_enum)]
    pub express_purchase: Option<ExpressPurchase>,

    /// Maximum purchases per second from one IP address. Default: unlimited.
    #[arg(long, env = "PURCHASE_RATE_PER_S")]
    pub purchase_rate_per_s: Option<std::num::NonZeroU32>,

    /// Hour of the day, in UTC, at which the shop checks all of its history, once a day.
    #[arg(long, env = "AUDIT_HOUR_UTC", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=23))]
    pub audit_hour_utc: u8,

    /// Maximum new carts in a minute from one IP address. 0: unlimited.
    #[arg(long, env = "NEW_CARTS_PER_MINUTE", default_value_t = 600)]
    pub new_carts_per_minute: u32,

    /// URL of a running payment provider. Default: use or start a simulated one.
    #[arg(long, env = "PAYMENT_PROVIDER_URL")]
    pub payment_provider_url: Option<Url>,

    /// Secret shared by shop and provider. Default: generated at the first start and stored in the
    /// database.
    #[arg(long, env = "PAYMENT_SECRET", hide_env_values = true)]
    pub payment_secret: Option<String>,

    #[command(flatten)]
    pub terms: ShopTerms,

    #[command(flatten)]
    pub traces: TraceSettings,
}

impl ServeSettings {
    /// The public URL: [`ServeSettings::public_url`], or the address that the server listens on.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{bound}"),
        }
    }

    /// Returns the URL of the connection that listens to the notices of other servers.
    pub fn notices_url<'a>(&'a self, database_url: &'a str) -> &'a str {
        self.direct_url().unwrap_or(database_url)
    }

    /// Checks the direct URL of the database.
    ///
    /// # Errors
    /// [`WrongSetting`] if it is not the URL of a database.
    pub fn check_direct_url(&self) -> Result<(), WrongSetting> {
        let is_valid = |url: &str| {
            let parsed = Url::parse(url);
            parsed.is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql" | "mysql"))
        };
        match self.direct_url() {
            Some(url) if !is_valid(url) => Err(WrongSetting::new(
                "DATABASE_DIRECT_URL is not the URL of a database (postgres://user:password@host:5432/name or mysql://user:password@host:3306/name)",
            )),
            _ => Ok(()),
        }
    }

    /// An empty variable, as in a template of `.env`, is not a URL.
    fn direct_url(&self) -> Option<&str> {
        let url = self.database_direct_url.as_deref();
        url.filter(|url| !url.is_empty())
    }

    /// True if unknown callers may buy with `POST /api/purchase`.
    ///
    /// # Errors
    /// [`WrongSetting`] if a public shop would sell that way without a limit: a program could buy
    /// all stock before any person has opened a page.
    pub fn sells_by_express(&self) -> Result<bool, WrongSetting> {
        match (self.express_purchase, self.is_secure()) {
            (Some(ExpressPurchase::On), true) if self.purchase_rate_per_s.is_none() => {
                Err(WrongSetting::new(
                    "EXPRESS_PURCHASE=on with an https PUBLIC_URL requires PURCHASE_RATE_PER_S, \
                     the purchases per second that one address may make",
                ))
            }
            (Some(express), _) => Ok(express == ExpressPurchase::On),
            (None, is_secure) => Ok(!is_secure),
        }
    }

    /// True if the public URL uses https.
    pub fn is_secure(&self) -> bool {
        self.public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
    }
}

/// Whether unknown callers may buy with `POST /api/purchase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpressPurchase {
    On,
    Off,
}

/// The sales settings.
#[derive(Args, Clone, Debug)]
pub struct ShopTerms {
    /// Duration of a reservation at the checkout, in seconds.
    #[arg(long, env = "HOLD_TTL_S", default_value_t = ShopTerms::HOLD_TTL_S, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub hold_ttl_s: u32,

    /// Locking strategy of the shop; it must be able to reserve stock.
    #[arg(long = "shop-strategy", env = "SHOP_STRATEGY", default_value_t = StrategyKey::DEFAULT, value_parser = strategy_with_holds)]
    pub strategy: StrategyKey,

    /// What to do with a payment that arrives after its hold has expired and the stock is sold out.
    #[arg(long, env = "PAID_WITHOUT_STOCK", value_enum, default_value_t = PaidWithoutStock::Refund)]
    pub paid_without_stock: PaidWithoutStock,

    /// Time zone of the shop, in which an administrator plans sales, as an IANA name such as
    /// Europe/Berlin.
    #[arg(long = "shop-time-zone", env = "SHOP_TIME_ZONE", default_value = "UTC", value_parser = time_zone)]
    pub time_zone: TimeZone,

    #[command(flatten)]
    pub hold_limits: HoldLimits,
}

/// What happens to an order that is paid after the stock is sold out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PaidWithoutStock {
    /// Cancel the order and refund the payment.
    Refund,
    /// Keep the order; new stock goes to it first.
    Backorder,
}

impl ShopTerms {
    const HOLD_TTL_S: u32 = 600;

    /// The duration of a hold.
    pub fn hold_ttl(&self) -> time::Duration {
        time::Duration::seconds(self.hold_ttl_s.into())
    }
}

impl Default for ShopTerms {
    fn default() -> Self {
        Self {
            hold_ttl_s: Self::HOLD_TTL_S,
            strategy: StrategyKey::DEFAULT,
            paid_without_stock: PaidWithoutStock::Refund,
            time_zone: TimeZone::UTC,
            hold_limits: HoldLimits::default(),
        }
    }
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name.trim())
        .map_err(|_| format!("there is no time zone {name:?}; use a name such as Europe/Berlin"))
}

fn strategy_with_holds(key: &str) -> Result<StrategyKey, String> {
    let strategy: StrategyKey = key.parse().map_err(|error| format!("{error}"))?;
    if strategy.row().can_hold {
        Ok(strategy)
    } else {
        Err(format!("{strategy} cannot reserve stock"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        serve: ServeSettings,
    }

    /// Returns whether a server with these flags sells by express purchase; `None` if it does not
    /// start.
    fn sells_by_express(flags: &str) -> Option<bool> {
        let flags = std::iter::once("serve").chain(flags.split_whitespace());
        let command = Command::try_parse_from(flags).ok()?;
        command.serve.sells_by_express().ok()
    }

    #[test]
    fn a_time_zone_is_known_without_files_of_the_system() {
        let name_of = |zone: &str| {
            let flags = ["serve", "--shop-time-zone", zone];
            let command = Command::try_parse_from(flags).ok()?;
            let name = command.serve.terms.time_zone.iana_name()?.to_owned();
            Some(name)
        };
        assert_eq!(name_of("Europe/Berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(name_of("UTC").as_deref(), Some("UTC"));
        for unknown in ["", "Europe/Atlantis", "../etc/passwd", "Berlin\0"] {
            assert_eq!(name_of(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn the_direct_url_is_the_databases_unless_it_is_set() {
        let pooler = "postgres://pooler/shop";
        for (flags, expected) in [
            ("", Some(pooler)),
            ("--database-direct-url=", Some(pooler)),
            (
                "--database-direct-url postgres://server/shop",
                Some("postgres://server/shop"),
            ),
            ("--database-direct-url sqlite://server/shop", None),
            ("--database-direct-url server", None),
        ] {
            let words = std::iter::once("serve").chain(flags.split_whitespace());
            let command = Command::try_parse_from(words).expect("valid flags");
            let checked = command.serve.check_direct_url();
            let url = checked.map(|()| command.serve.notices_url(pooler));
            assert_eq!(url.ok(), expected, "{flags}");
        }
    }

    #[test]
    fn a_public_shop_sells_by_express_purchase_only_with_a_rate_limit() {
        for (flags, expected) in [
            ("", Some(true)),
            ("--express-purchase off", Some(false)),
            ("--express-purchase on", Some(true)),
            ("--public-url http://shop.test", Some(true)),
            ("--public-url https://shop.test", Some(false)),
            (
                "--public-url https://shop.test --purchase-rate-per-s 5",
                Some(false),
            ),
            (
                "--public-url https://shop.test --express-purchase off",
                Some(false),
            ),
            ("--public-url https://shop.test --express-purchase on", None),
            (
                "--public-url https://shop.test --express-purchase on --purchase-rate-per-s 5",
                Some(true),
            ),
            ("--express-purchase perhaps", None),
        ] {
            assert_eq!(sells_by_express(flags), expected, "{flags}");
        }
    }
}
