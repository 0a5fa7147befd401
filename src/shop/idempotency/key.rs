//! The name under which a response is stored: the key that a client sent, within the namespace of
//! its sender. Equal keys of two senders are therefore two keys.
//!
//! A client's key cannot contain `/`, and every namespace but that of unknown callers does, so no
//! client can write into a namespace that is not its own.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::ShopError;

/// Minimum length of a client's key, in bytes: two clients might choose the same short key.
const KEY_LEN_MIN: usize = 16;
/// Maximum length of a client's key, in bytes.
const KEY_LEN_MAX: usize = 100;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// The key of a caller who is not known. It is stored as it was sent.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`] for a key that is too short or too long, or contains
    /// characters other than letters, digits, `-`, `_`, `.` and `:`.
    pub fn of_unknown_caller(sent: &str) -> Result<Self, ShopError> {
        check(sent)?;
        Ok(Self(sent.to_owned()))
    }

    /// The key of the shopper who has this cart.
    ///
    /// # Errors
    /// As [`Key::of_unknown_caller`].
    pub fn of_cart(cart_id: Uuid, sent: &str) -> Result<Self, ShopError> {
        Self::owned("cart", &cart_id.to_string(), sent)
    }

    /// The key of the administrator. There is one, whatever session they have at the moment: a
    /// request that is repeated after a new sign-in is still the same request.
    ///
    /// # Errors
    /// As [`Key::of_unknown_caller`].
    pub fn of_administrator(sent: &str) -> Result<Self, ShopError> {
        check(sent)?;
        Ok(Self(format!("admin/{sent}")))
    }

    /// The key of the browser or program that has this session.
    ///
    /// # Errors
    /// As [`Key::of_unknown_caller`].
    pub fn of_session(session_id: &str, sent: &str) -> Result<Self, ShopError> {
        Self::owned("session", session_id, sent)
    }

    /// A key that the shop wrote into a form. It is random, so only the visitor of that page has
    /// it. The caller has checked that the shop issued it.
    ///
    /// # Errors
    /// As [`Key::of_unknown_caller`].
    pub fn of_form(issued: &str) -> Result<Self, ShopError> {
        check(issued)?;
        Ok(Self(format!("form/{issued}")))
    }

    /// The key of a simulated buyer. It is derived from the secret of the run, so no other caller
    /// can guess it. The caller has checked that the sender is a buyer of the run.
    ///
    /// # Errors
    /// As [`Key::of_unknown_caller`].
    pub fn of_buyer(derived: &str) -> Result<Self, ShopError> {
        check(derived)?;
        Ok(Self(format!("run/{derived}")))
    }

    /// The key of a queued order whose caller sent none. The order's id is new.
    pub fn of_queue(order_id: Uuid) -> Self {
        Self(format!("queue/{order_id}"))
    }

    /// A key that was written down, as it is stored.
    pub(super) fn of_stored(stored: String) -> Self {
        Self(stored)
    }

    /// The key, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The owner and the key are hashed together: both fit into the column, and the owner's id,
    /// which may be a secret, is not stored.
    fn owned(namespace: &str, owner: &str, sent: &str) -> Result<Self, ShopError> {
        check(sent)?;
        // A key contains no `/`, so the last one separates the owner from the key.
        let hash = Sha256::digest(format!("{owner}/{sent}"));
        Ok(Self(format!("{namespace}/{}", hex::encode(hash))))
    }
}

fn check(sent: &str) -> Result<(), ShopError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let is_valid = (KEY_LEN_MIN..=KEY_LEN_MAX).contains(&sent.len()) && sent.bytes().all(allowed);
    if is_valid {
        Ok(())
    } else {
        Err(ShopError::IdempotencyKeyInvalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "0199e0a0-7b1c-7cc0-a000-000000000000";

    fn all_owners(sent: &str) -> [Result<Key, ShopError>; 8] {
        [
            Key::of_unknown_caller(sent),
            Key::of_cart(Uuid::from_u128(1), sent),
            Key::of_cart(Uuid::from_u128(2), sent),
            Key::of_administrator(sent),
            Key::of_session("1", sent),
            Key::of_session("2", sent),
            Key::of_form(sent),
            Key::of_buyer(sent),
        ]
    }

    #[test]
    fn the_same_key_of_two_senders_is_two_keys() {
        let keys: std::collections::HashSet<_> = all_owners(SENT)
            .into_iter()
            .filter_map(Result::ok)
            .collect();
        assert_eq!(keys.len(), 8);
        // The column has 120 characters.
        let longest = "x".repeat(KEY_LEN_MAX);
        for key in all_owners(&longest) {
            assert!(key.is_ok_and(|key| key.as_str().len() <= 120));
        }
    }

    #[test]
    fn a_short_long_or_special_key_is_invalid_for_every_sender() {
        let short = "x".repeat(KEY_LEN_MIN - 1);
        let long = "x".repeat(KEY_LEN_MAX + 1);
        for sent in [
            "",
            "1",
            &short,
            &long,
            "a key with spaces in it",
            "run/0199e0a0-7b1c-7cc0-a000-000000000000",
            "üüüüüüüüüüüüüüüü",
            "0199e0a0-7b1c-7cc0\n",
        ] {
            for key in all_owners(sent) {
                assert_eq!(key, Err(ShopError::IdempotencyKeyInvalid), "{sent:?}");
            }
        }
    }
}
