//! Signed links to the orders of one customer.
//!
//! A link names one order of the customer, so it contains no e-mail address. Its signature covers
//! the address of that order exactly as [`normalize_email`] compares it, never the folded one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::shop::email_address::normalize_email;

/// A link is valid for 30 days.
pub const VALID_FOR_S: i64 = 30 * 24 * 60 * 60;
/// Keeps these signatures apart from others.
const LABEL: &[u8] = b"orders of a customer ";
/// A longer text is rejected without parsing: two numbers and a signature fit easily.
const LEN_MAX: usize = 200;

/// The parts of a link. Nothing in it is true until [`CustomerLink::is_signed`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerLink {
    /// An order of the customer.
    pub order_id: i64,
    /// In Unix seconds.
    pub expires_at_s: i64,
    signature: Vec<u8>,
}

/// Signs a link to the orders of the customer of `order_id`, whose address is `email`.
pub fn issue(secret: &str, order_id: i64, email: &str, expires_at_s: i64) -> String {
    let signature = mac(secret, order_id, email, expires_at_s)
        .finalize()
        .into_bytes();
    format!("{order_id}.{expires_at_s}.{}", hex::encode(signature))
}

impl CustomerLink {
    /// Parses a link; `None` if it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LEN_MAX {
            return None;
        }
        let mut parts = text.split('.');
        let link = Self {
            order_id: parts.next()?.parse().ok()?,
            expires_at_s: parts.next()?.parse().ok()?,
            signature: hex::decode(parts.next()?).ok()?,
        };
        parts.next().is_none().then_some(link)
    }

    /// Returns true if the shop issued this link for `email`. Takes the same time for every wrong
    /// signature.
    pub fn is_signed(&self, secret: &str, email: &str) -> bool {
        mac(secret, self.order_id, email, self.expires_at_s)
            .verify_slice(&self.signature)
            .is_ok()
    }
}

fn mac(secret: &str, order_id: i64, email: &str, expires_at_s: i64) -> Hmac<Sha256> {
    let mut mac = match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes a key of any length"),
    };
    mac.update(LABEL);
    mac.update(format!("{order_id} {expires_at_s} {}", normalize_email(email)).as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_valid_for_its_address_order_and_time_only() {
        let token = issue("secret", 68, "Ann@Example.com", 1_000);
        let link = CustomerLink::parse(&token).expect("a link");
        assert_eq!((link.order_id, link.expires_at_s), (68, 1_000));
        assert!(link.is_signed("secret", "ann@example.com"));
        for (secret, email) in [
            ("another secret", "ann@example.com"),
            ("secret", "ann+x@example.com"),
            ("secret", "+ann@example.com"),
            ("secret", ""),
        ] {
            assert!(!link.is_signed(secret, email), "{email}");
        }
        for (from, to) in [("68.", "69."), (".1000.", ".2000.")] {
            let forged = CustomerLink::parse(&token.replace(from, to)).expect("a link");
            assert!(!forged.is_signed("secret", "ann@example.com"), "{to}");
        }
    }

    #[test]
    fn a_text_of_another_form_is_no_link() {
        let token = issue("secret", 68, "ann@example.com", 1_000);
        for text in [
            String::new(),
            "68".to_owned(),
            "68.1000".to_owned(),
            "68.1000.zz".to_owned(),
            format!("{token}.0"),
            format!("{token}{}", "0".repeat(LEN_MAX)),
            "ü.ü.ü".to_owned(),
        ] {
            assert_eq!(CustomerLink::parse(&text), None, "{text}");
        }
        let short = CustomerLink::parse("68.1000.ab").expect("its form is right");
        assert!(!short.is_signed("secret", "ann@example.com"));
    }
}
