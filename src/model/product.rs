//! A product as pages show it.

use serde::{Deserialize, Serialize};

use super::{Money, Quantity, SalePlan, SaleState, SellOut, ShopError, StockCounts};

/// A product of the catalogue, with its sale and its stock when they were read.
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
    /// A higher price to compare the price with.
    pub compare_at: Option<Money>,
    /// The maximum units for one customer, over all of their orders.
    pub per_customer_limit: Option<u32>,
    pub plan: SalePlan,
    /// Units that can be bought. Negative only on an oversold lane of an unsafe strategy.
    pub available: i64,
    /// Units reserved for carts and for orders that are being paid.
    pub reserved: i64,
    pub sold: i64,
    /// Units ever added to stock.
    pub total: i64,
    /// When this was read, in Unix milliseconds by the database's clock.
    pub read_at_ms: i64,
    /// How the current sale sold out; `None` unless everything is sold, and if it is not known.
    pub sell_out: Option<SellOut>,
}

impl Product {
    /// The error for a request of `quantity` that the stock cannot cover.
    pub fn insufficient(&self, quantity: Quantity) -> ShopError {
        insufficient(&self.name, self.available, quantity)
    }

    /// The four counters.
    pub fn counts(&self) -> StockCounts {
        StockCounts {
            available: self.available,
            reserved: self.reserved,
            sold: self.sold,
            total: self.total,
        }
    }

    /// The state of the sale when the product was read.
    pub fn state(&self) -> SaleState {
        self.plan.state_at(self.read_at_ms, self.counts())
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
