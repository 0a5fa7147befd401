//! The setting of Redis.

use clap::Args;
use url::Url;

use super::WrongSetting;

/// The schemes that the driver understands.
const SCHEMES: [&str; 4] = ["redis", "rediss", "valkey", "valkeys"];

/// The Redis settings.
#[derive(Args, Clone, Debug)]
pub struct RedisSettings {
    /// URL of a Redis or Valkey server (redis://:password@host:6379/0, with TLS rediss://…).
    /// Default: none; the strategies that need Redis are not available.
    // Never shown in help or errors: it can contain a password.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, global = true)]
    pub redis_url: Option<String>,
}

impl RedisSettings {
    /// Returns the URL. An empty variable, as in a template of `.env`, is none.
    ///
    /// # Errors
    /// [`WrongSetting`] if it is not the URL of a Redis server.
    pub fn url(&self) -> Result<Option<&str>, WrongSetting> {
        let Some(url) = self.redis_url.as_deref().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let is_valid = Url::parse(url)
            .is_ok_and(|url| SCHEMES.contains(&url.scheme()) && url.host_str().is_some());
        if is_valid {
            Ok(Some(url))
        } else {
            Err(WrongSetting::new(
                "REDIS_URL is not the URL of a Redis server (redis://:password@host:6379/0, with TLS rediss://…)",
            ))
        }
    }

    /// True if a URL is set, valid or not.
    pub fn is_set(&self) -> bool {
        self.redis_url.as_ref().is_some_and(|url| !url.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_checked_and_an_empty_one_is_none() {
        let of = |url: Option<&str>| {
            let settings = RedisSettings {
                redis_url: url.map(ToOwned::to_owned),
            };
            settings.url().map(|url| url.map(ToOwned::to_owned))
        };
        assert_eq!(of(None), Ok(None));
        assert_eq!(of(Some("")), Ok(None));
        for url in [
            "redis://127.0.0.1:6379/0",
            "rediss://:hush@redis.test",
            "valkey://[::1]:6379",
        ] {
            assert_eq!(of(Some(url)), Ok(Some(url.to_owned())));
        }
        for url in ["127.0.0.1:6379", "http://:hush@redis.test", "redis://"] {
            let error = of(Some(url)).expect_err(url).to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
