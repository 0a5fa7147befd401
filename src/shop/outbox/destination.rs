//! Where events are sent.

use std::str::FromStr;

use url::Url;

use crate::model::ShopError;

/// The longest text that is stored.
const TEXT_MAX: usize = 500;
/// What precedes the name of a stream.
const STREAM: &str = "redis:";

/// Where events are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A subscriber that receives each event as a signed request.
    Http(Url),
    /// The stream with this name, in the Redis of the servers.
    Stream(String),
}

impl FromStr for Destination {
    type Err = ShopError;

    /// Parses a URL, or `redis:` and the name of a stream.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let invalid = || error("Enter a URL (https://…), or redis: and the name of a stream.");
        if text.len() > TEXT_MAX {
            return Err(invalid());
        }
        if let Some(name) = text.strip_prefix(STREAM) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
            // Another name could be one of the keys by which the shop itself works.
            let is_valid =
                !name.is_empty() && name.chars().all(is_name) && !name.starts_with("doorbuster:");
            return is_valid
                .then(|| Self::Stream(name.to_owned()))
                .ok_or_else(invalid);
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Ok(Self::Http(url))
            }
            _ => Err(invalid()),
        }
    }
}

fn error(message: &str) -> ShopError {
    ShopError::field_invalid("destination", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_url_or_a_stream() {
        let parsed = |text: &str| text.parse::<Destination>().ok();
        for text in [
            "http://warehouse.test/events",
            "https://warehouse.test/events",
        ] {
            let url = Url::parse(text).expect("a URL");
            let padded = format!(" {text} ");
            assert_eq!(parsed(&padded), Some(Destination::Http(url)));
        }
        assert_eq!(
            parsed("redis:shop-events"),
            Some(Destination::Stream("shop-events".to_owned()))
        );
        for text in [
            "",
            "redis:",
            "redis:a b",
            "redis:doorbuster:1:queue",
            "warehouse.test",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        let long = format!("http://warehouse.test/{}", "x".repeat(TEXT_MAX));
        assert_eq!(parsed(&long), None);
    }
}
