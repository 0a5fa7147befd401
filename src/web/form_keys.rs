//! The idempotency keys that the shop writes into its forms.
//!
//! Such a key is random and signed, so the shop recognizes it, and only the visitor of the page has
//! it. It identifies its sender even before the visitor has a cart or a session: both clicks of a
//! double click on *Buy now* lead to one cart.

use super::signed_tokens::Purpose;

const FORM_KEY: Purpose = Purpose("form key");

/// Returns a new key.
pub fn issue(secret: &str) -> String {
    FORM_KEY.issue(secret)
}

/// Returns true if [`issue`] made the key with this secret.
pub fn is_issued(secret: &str, key: &str) -> bool {
    FORM_KEY.is_issued(secret, key)
}
