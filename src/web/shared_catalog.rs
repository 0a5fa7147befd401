//! The catalogue as pages show it: read once in [`MAX_AGE`] for all shoppers, with the stock that
//! the feed knows. What a shopper may buy is decided by the row, in the purchase's transaction.

use std::{sync::Arc, time::Duration};

use super::shared_reads::SharedReads;
use crate::{
    model::{Product, ShopError, product_query::ProductQuery},
    shop::{
        Shop,
        catalog::{ProductList, VersionedProduct},
    },
};

/// The age of what a page shows of the catalogue.
pub const MAX_AGE: Duration = Duration::from_millis(100);
/// Searches that are shared at the same time. Anyone can invent one.
const SEARCHES_MAX: usize = 256;

/// One page of a list of products.
#[derive(Clone, Debug, Default)]
pub struct FoundProducts {
    pub products: Vec<Product>,
    /// The number of products on all pages.
    pub total: u64,
}

/// Reads of the catalogue that all requests share.
#[derive(Debug)]
pub struct SharedCatalog {
    shop: Shop,
    all: SharedReads<(), Arc<[VersionedProduct]>>,
    found: SharedReads<ProductQuery, Arc<ProductList>>,
    categories: SharedReads<(), Arc<[String]>>,
    by_slug: SharedReads<String, Arc<VersionedProduct>>,
    by_id: SharedReads<i64, Arc<VersionedProduct>>,
}

impl SharedCatalog {
    /// Creates shared reads of `shop`'s catalogue, at most `max_age` old.
    pub fn new(shop: Shop, max_age: Duration) -> Self {
        Self {
            shop,
            all: SharedReads::new(max_age),
            found: SharedReads::bounded(max_age, SEARCHES_MAX),
            categories: SharedReads::new(max_age),
            by_slug: SharedReads::new(max_age),
            by_id: SharedReads::new(max_age),
        }
    }

    /// Returns the shop's products, ordered by id.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if the database fails.
    pub async fn products(&self) -> Result<Vec<Product>, ShopError> {
        let read = || async { Ok(self.shop.catalog().products().await?.into()) };
        let products = self.all.get(&(), read).await?;
        let feed = self.shop.feed();
        Ok(products
            .iter()
            .map(|product| product.with_latest_stock(feed))
            .collect())
    }

    /// Returns a page of the products of a query, in its order, and the number of all.
    ///
    /// # Errors
    /// The errors of [`SharedCatalog::products`].
    pub async fn find(&self, query: &ProductQuery) -> Result<FoundProducts, ShopError> {
        let read = || async { Ok(Arc::new(self.shop.catalog().find(query).await?)) };
        let list = self.found.get(query, read).await?;
        let feed = self.shop.feed();
        let products = list.products.iter();
        Ok(FoundProducts {
            products: products
                .map(|product| product.with_latest_stock(feed))
                .collect(),
            total: list.total,
        })
    }

    /// Returns the categories, in the order of their first product.
    ///
    /// # Errors
    /// The errors of [`SharedCatalog::products`].
    pub async fn categories(&self) -> Result<Vec<String>, ShopError> {
        let read = || async { Ok(self.shop.catalog().categories().await?.into()) };
        Ok(self.categories.get(&(), read).await?.to_vec())
    }

    /// Returns a product by its slug.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; the errors of [`SharedCatalog::products`].
    pub async fn product_by_slug(&self, slug: &str) -> Result<Product, ShopError> {
        let read = || async { Ok(Arc::new(self.shop.catalog().product_by_slug(slug).await?)) };
        let product = self.by_slug.get(&slug.to_owned(), read).await?;
        Ok(product.with_latest_stock(self.shop.feed()))
    }

    /// Returns a product by its id.
    ///
    /// # Errors
    /// The errors of [`SharedCatalog::product_by_slug`].
    pub async fn product_by_id(&self, id: i64) -> Result<Product, ShopError> {
        let read = || async { Ok(Arc::new(self.shop.catalog().product_by_id(id).await?)) };
        let product = self.by_id.get(&id, read).await?;
        Ok(product.with_latest_stock(self.shop.feed()))
    }
}
