//! A cart as its page shows it, and the reservation that stands behind it.

use serde::{Deserialize, Serialize};

use super::{Bill, Money, Product, Quantity};

/// One product in a cart, with the price and stock of now, not of when it was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    pub product: Product,
    pub quantity: Quantity,
    /// Unit price times quantity.
    pub amount: Money,
    /// Units that are set aside for this very cart.
    pub held: i64,
}

impl CartLine {
    /// True when stock covers the line at the moment of reading. Nobody is blocked by their own hold.
    pub fn is_covered(&self) -> bool {
        self.product.available + self.held >= i64::from(self.quantity.get())
    }
}

/// What is set aside for a cart, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The time of day in UTC, to the second, by the database's clock; it is less than a day away.
    pub ends_at: String,
    /// Seconds left at the moment of reading; above zero.
    pub seconds_left: u32,
    /// How long it stands in all, in seconds.
    pub ttl_s: u32,
    /// True when its one extension was used.
    pub extended: bool,
}

/// What an expired reservation gave back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedLine {
    pub product_name: String,
    pub quantity: i64,
}

/// A cart; empty when the shopper has none yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartView {
    /// By product id.
    pub lines: Vec<CartLine>,
    pub subtotal: Money,
    /// None while nothing is set aside.
    pub reservation: Option<Reservation>,
    /// What the last reservation gave back when it ran out, if nothing has been reserved since.
    pub released: Vec<ReleasedLine>,
}

impl CartView {
    /// Units over all lines.
    pub fn unit_count(&self) -> u32 {
        self.lines.iter().map(|line| line.quantity.get()).sum()
    }

    /// True when every line is covered by stock and there is one.
    pub fn can_check_out(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(CartLine::is_covered)
    }
}

/// A cart at the checkout: what it will cost, and with which code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutView {
    pub cart: CartView,
    pub bill: Bill,
    pub code: Option<AppliedCode>,
}

/// A discount code on a checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedCode {
    pub code: String,
    /// As in `10 % off`, or why it does not count now.
    pub text: String,
    pub counts: bool,
}
