//! A product as pages show it.

use serde::{Deserialize, Serialize};

use super::{Money, Quantity, ShopError};

/// The sale's state, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaleState {
    /// The product can be bought now.
    Open,
    /// The sale has not started; the text is its start, formatted in UTC.
    NotStarted(String),
    /// The sale has ended.
    Ended,
}

/// A product of the catalogue, with its stock when it was read.
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
    /// The maximum units for one customer, over all of their orders.
    pub per_customer_limit: Option<u32>,
    pub sale: SaleState,
    /// Units that can be bought. Negative only on an oversold lane of an unsafe strategy.
    pub available: i64,
    /// Units ever added to stock.
    pub total: i64,
}

impl Product {
    /// The error for a request of `quantity` that the stock cannot cover.
    pub fn insufficient(&self, quantity: Quantity) -> ShopError {
        insufficient(&self.name, self.available, quantity)
    }

    /// True if no unit is available.
    pub fn is_sold_out(&self) -> bool {
        self.available <= 0
    }
}

/// Creates [`ShopError::InsufficientStock`]; a negative counter counts as 0 available.
pub fn insufficient(product: &str, available: i64, quantity: Quantity) -> ShopError {
    ShopError::InsufficientStock {
        product: product.to_owned(),
        available: u64::try_from(available).unwrap_or(0),
        requested: quantity.get(),
    }
}
