//! Paying by card.

use std::fmt;

/// A card as typed. It goes to the provider and is kept nowhere: not in the database, not in a session, not in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PaymentCard {
    /// Digits alone.
    pub number: String,
    /// As in `12/30`.
    pub expiry: String,
    pub cvc: String,
}

impl fmt::Debug for PaymentCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentCard(…)")
    }
}
