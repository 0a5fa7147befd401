//! What a page needs to know about a product.

use serde::{Deserialize, Serialize};

use super::{Money, Quantity, ShopError};

/// Whether the sale of a product is open, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaleState {
    /// It can be bought now.
    Open,
    /// It cannot be bought yet; the text is the start in UTC, as a person reads it.
    NotStarted(String),
    /// It cannot be bought any more.
    Ended,
}

/// A product of the catalogue with its stock at the moment of reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub id: i64,
    pub slug: String,
    pub name: String,
    pub description: String,
    pub category: String,
    /// Path below the asset root, as in `artwork/flash-sale-smartphone.svg`.
    pub artwork: String,
    pub price: Money,
    /// The most units for one customer, over all of their orders.
    pub per_customer_limit: Option<u32>,
    pub sale: SaleState,
    /// Units that can be bought. Below zero only where an unguarded lane has oversold.
    pub available: i64,
    /// Units that ever came in.
    pub total: i64,
}

impl Product {
    /// The sentence for a request of `quantity` that the stock cannot cover.
    pub fn insufficient(&self, quantity: Quantity) -> ShopError {
        insufficient(&self.name, self.available, quantity)
    }

    /// True when nothing is left.
    pub fn is_sold_out(&self) -> bool {
        self.available <= 0
    }
}

/// [`ShopError::InsufficientStock`], with an oversold counter shown as none available.
pub fn insufficient(product: &str, available: i64, quantity: Quantity) -> ShopError {
    ShopError::InsufficientStock {
        product: product.to_owned(),
        available: u64::try_from(available).unwrap_or(0),
        requested: quantity.get(),
    }
}
