//! A cart and its reservation, as pages show them.

use serde::{Deserialize, Serialize};

use super::{Bill, Money, Product, Quantity};

/// One product in a cart, with its current price and stock, not those of when it was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    pub product: Product,
    pub quantity: Quantity,
    /// Unit price times quantity.
    pub amount: Money,
    /// Units reserved for this cart.
    pub held: i64,
    /// The price of a unit when it was reserved; `None` while nothing is reserved.
    pub reserved_price: Option<Money>,
}

impl CartLine {
    /// True if the stock, including this cart's own hold, covered the line when it was read.
    pub fn is_covered(&self) -> bool {
        self.product.available + self.held >= i64::from(self.quantity.get())
    }

    /// The sentence about a price that has changed since the shopper reserved the product.
    pub fn price_change(&self) -> Option<String> {
        let before = self
            .reserved_price
            .filter(|before| *before != self.product.price)?;
        Some(price_change(&self.product.name, before, self.product.price))
    }
}

/// Says that the price of a reserved product has changed.
pub fn price_change(product: &str, before: Money, now: Money) -> String {
    format!("The price of {product} changed from {before} to {now}.")
}

/// A cart's reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The end's time of day in UTC, to the second, by the database's clock; less than a day away.
    pub ends_at: String,
    /// Seconds left when it was read; above zero.
    pub seconds_left: u32,
    /// The total duration, in seconds.
    pub ttl_s: u32,
    /// True if its only extension has been used.
    pub extended: bool,
}

/// Units that an expired reservation released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedLine {
    pub product_name: String,
    pub quantity: i64,
    /// True if it expired because the sale of the product ended.
    pub sale_ended: bool,
}

impl ReleasedLine {
    /// For example `2 × Desk Lamp`.
    pub fn in_words(&self) -> String {
        let ended = if self.sale_ended {
            " (its sale has ended)"
        } else {
            ""
        };
        format!("{} × {}{ended}", self.quantity, self.product_name)
    }
}

/// A cart; empty if the shopper has none yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartView {
    /// By product id.
    pub lines: Vec<CartLine>,
    pub subtotal: Money,
    /// `None` while nothing is reserved.
    pub reservation: Option<Reservation>,
    /// What the last reservation released when it expired, if nothing has been reserved since.
    pub released: Vec<ReleasedLine>,
}

impl CartView {
    /// Units over all lines.
    pub fn unit_count(&self) -> u32 {
        self.lines.iter().map(|line| line.quantity.get()).sum()
    }

    /// True if there is a line and stock covers every line.
    pub fn can_check_out(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(CartLine::is_covered)
    }
}

/// A cart at the checkout, with its bill and discount code.
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
    /// For example `10 % off`, or why the code cannot be used now.
    pub text: String,
    pub counts: bool,
}
