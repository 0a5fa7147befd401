//! The idempotency keys that the shop writes into its forms.
//!
//! Such a key is random and signed, so the shop recognizes it, and only the visitor of the page has
//! it. It identifies its sender even before the visitor has a cart or a session: both clicks of a
//! double click on *Buy now* lead to one cart.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// Keeps these signatures apart from those of webhooks, which are made with the same secret.
const LABEL: &[u8] = b"form key ";
/// Length of the signature in a key, in bytes.
const SIGNATURE_LEN: usize = 16;
/// Length of the random part, in hexadecimal digits.
const RANDOM_LEN: usize = 32;

/// Returns a new key.
pub fn issue(secret: &str) -> String {
    let random = Uuid::now_v7().simple().to_string();
    let signature = mac(secret, &random).finalize().into_bytes();
    format!("{random}{}", hex::encode(&signature[..SIGNATURE_LEN]))
}

/// Returns true if [`issue`] made the key with this secret.
pub fn is_issued(secret: &str, key: &str) -> bool {
    let Some((random, signature)) = key.split_at_checked(RANDOM_LEN) else {
        return false;
    };
    match hex::decode(signature) {
        Ok(signature) if signature.len() == SIGNATURE_LEN => mac(secret, random)
            .verify_truncated_left(&signature)
            .is_ok(),
        _ => false,
    }
}

fn mac(secret: &str, random: &str) -> Hmac<Sha256> {
    let mut mac = match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mac) => mac,
        // An HMAC's key may have any length, which the type does not say.
        Err(_) => unreachable!("HMAC takes keys of every length"),
    };
    mac.update(LABEL);
    mac.update(random.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_issued_key_is_recognized() {
        let key = issue("secret");
        assert!(is_issued("secret", &key));
        assert!(!is_issued("another secret", &key));
        assert_ne!(issue("secret"), key, "each form has its own");
        let (random, signature) = key.split_at(RANDOM_LEN);
        for forged in [
            String::new(),
            random.to_owned(),
            "0199e0a0-7b1c-7cc0-a000-000000000000".to_owned(),
            key.replace(&random[..2], "zz"),
            format!("{random}{}", &signature[..2]),
            format!("{random}{signature}00"),
            format!("{random}{}", "0".repeat(2 * SIGNATURE_LEN)),
            "ü".repeat(RANDOM_LEN),
        ] {
            assert!(!is_issued("secret", &forged), "{forged}");
        }
    }
}
