//! Random tokens that the shop signs, so that it recognizes its own, and values that it derives
//! from them, which no one else can compute.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// Length of the signature in a token, in bytes.
const SIGNATURE_LEN: usize = 16;
/// Length of the random part, in hexadecimal digits.
const RANDOM_LEN: usize = 32;

/// What a token is for. A token for one purpose is not valid for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(pub &'static str);

impl Purpose {
    /// Returns a new token.
    pub fn issue(self, secret: &str) -> String {
        let random = Uuid::now_v7().simple().to_string();
        let signature = self.mac(secret, &random).finalize().into_bytes();
        format!("{random}{}", hex::encode(&signature[..SIGNATURE_LEN]))
    }

    /// Returns true if [`Purpose::issue`] made the token with this secret.
    pub fn is_issued(self, secret: &str, token: &str) -> bool {
        let Some((random, signature)) = token.split_at_checked(RANDOM_LEN) else {
            return false;
        };
        match hex::decode(signature) {
            Ok(signature) if signature.len() == SIGNATURE_LEN => self
                .mac(secret, random)
                .verify_truncated_left(&signature)
                .is_ok(),
            _ => false,
        }
    }

    /// Returns 16 bytes that follow from `text`, and that only the owner of the secret can compute.
    pub fn derive(self, secret: &str, text: &str) -> [u8; 16] {
        let mut derived = [0; 16];
        derived.copy_from_slice(&self.mac(secret, text).finalize().into_bytes()[..16]);
        derived
    }

    /// The purpose also keeps these signatures apart from those of webhooks, which are made with
    /// the same secret.
    fn mac(self, secret: &str, text: &str) -> Hmac<Sha256> {
        let mut mac = match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
            Ok(mac) => mac,
            // An HMAC's key may have any length, which the type does not say.
            Err(_) => unreachable!("HMAC takes keys of every length"),
        };
        mac.update(self.0.as_bytes());
        mac.update(b" ");
        mac.update(text.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Purpose = Purpose("form key");

    #[test]
    fn only_an_issued_token_is_recognized() {
        let token = KEY.issue("secret");
        assert!(KEY.is_issued("secret", &token));
        assert!(!KEY.is_issued("another secret", &token));
        assert!(!Purpose("visitor").is_issued("secret", &token));
        assert_ne!(KEY.issue("secret"), token);
        let (random, signature) = token.split_at(RANDOM_LEN);
        for forged in [
            String::new(),
            random.to_owned(),
            "0199e0a0-7b1c-7cc0-a000-000000000000".to_owned(),
            token.replace(&random[..2], "zz"),
            format!("{random}{}", &signature[..2]),
            format!("{random}{signature}00"),
            format!("{random}{}", "0".repeat(2 * SIGNATURE_LEN)),
            "ü".repeat(RANDOM_LEN),
        ] {
            assert!(!KEY.is_issued("secret", &forged), "{forged}");
        }
    }

    #[test]
    fn a_derived_value_follows_from_secret_purpose_and_text() {
        let value = KEY.derive("secret", "a");
        assert_eq!(KEY.derive("secret", "a"), value);
        assert_ne!(KEY.derive("secret", "b"), value);
        assert_ne!(KEY.derive("another secret", "a"), value);
        assert_ne!(Purpose("visitor").derive("secret", "a"), value);
    }
}
