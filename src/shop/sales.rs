//! The sales of products: their plans, the changes of these, and their state now.
//!
//! A product is its sale: the catalogue row has its times, its prices and its limit. Whether a
//! purchase is inside the times is checked where its offer is read, by the database's clock; see
//! [`super::catalog::Offer::check_open`]. This module changes plans and shows them.

mod history;
mod level;
mod new_plan;
mod planning;

pub use history::ProductChange;
pub use level::{SaleLevel, SaleLevels};
pub use new_plan::{LIMIT_MAX, NewPlan, NewValue, PRICE_CENTS_MAX};
pub use planning::{SaleAdministration, SaleReport};

use super::Shop;
use crate::model::{Product, ShopError};

/// Reads sales; see [`Shop::sales`].
#[derive(Clone, Copy, Debug)]
pub struct Sales<'a> {
    pub(super) shop: &'a Shop,
}

impl Sales<'_> {
    /// Returns the shop's products with their sales, ordered by id.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if the database fails.
    pub async fn list(self) -> Result<Vec<Product>, ShopError> {
        let products = self.shop.catalog().products().await?;
        Ok(products
            .iter()
            .map(|product| product.with_latest_stock(&self.shop.feed))
            .collect())
    }

    /// Returns a product with its sale.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; the errors of [`Sales::list`].
    pub async fn of_slug(self, slug: &str) -> Result<Product, ShopError> {
        let product = self.shop.catalog().product_by_slug(slug).await?;
        Ok(product.with_latest_stock(&self.shop.feed))
    }
}
