//! Paying by card.

use std::fmt;

/// A card as the shopper entered it. It is sent to the provider and never stored: not in the
/// database, not in a session, not in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PaymentCard {
    /// Digits only.
    pub number: String,
    /// For example `12/30`.
    pub expiry: String,
    pub cvc: String,
}

impl fmt::Debug for PaymentCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentCard(…)")
    }
}
