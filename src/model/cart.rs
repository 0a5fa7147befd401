//! A cart as its page shows it.

use serde::{Deserialize, Serialize};

use super::{Money, Product, Quantity};

/// One product in a cart, with the price and stock of now, not of when it was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    pub product: Product,
    pub quantity: Quantity,
    /// Unit price times quantity.
    pub amount: Money,
}

impl CartLine {
    /// True when stock covers the line at the moment of reading.
    pub fn is_covered(&self) -> bool {
        self.product.available >= i64::from(self.quantity.get())
    }
}

/// A cart; empty when the shopper has none yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartView {
    /// By product id.
    pub lines: Vec<CartLine>,
    pub subtotal: Money,
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
