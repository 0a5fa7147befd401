//! The catalogue: products as pages show them, and offers as a purchase checks them.

mod rows;

pub(super) use rows::{ProductRow, with_stock};

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};

use self::rows::{JoinStock, OfferRow, ShelfRow, shop_products, with_sale_state};
use crate::{
    db::{
        dialect,
        entity::{product, stock},
        locks,
        txn::{self, Abort, Work},
    },
    feed::StockChange,
    model::{Currency, Money, Product, SaleState, ShopError},
    shop::Shop,
};

/// A product inside a transaction: what its purchase depends on, but for the stock.
#[derive(Clone, Debug)]
pub struct Offer {
    pub id: i64,
    pub name: String,
    pub price: Money,
    pub per_customer_limit: Option<u32>,
    pub sale: SaleState,
    /// Set on a private product of the workbench.
    pub lane_id: Option<i64>,
}

impl Offer {
    /// # Errors
    /// [`ShopError::SaleNotStarted`] or [`ShopError::SaleEnded`].
    pub fn check_open(&self) -> Result<(), ShopError> {
        let product = self.name.clone();
        match &self.sale {
            SaleState::Open => Ok(()),
            SaleState::NotStarted(opens_at) => Err(ShopError::SaleNotStarted {
                product,
                opens_at: opens_at.clone(),
            }),
            SaleState::Ended => Err(ShopError::SaleEnded { product }),
        }
    }

    /// # Errors
    /// [`ShopError::OverCustomerLimit`] when one customer would have `units`.
    pub fn check_limit(&self, units: i64) -> Result<(), ShopError> {
        match self.per_customer_limit {
            Some(limit) if units > i64::from(limit) => Err(ShopError::OverCustomerLimit {
                product: self.name.clone(),
                limit,
            }),
            _ => Ok(()),
        }
    }
}

/// Reads an offer inside a transaction.
///
/// # Errors
/// [`ShopError::UnknownProduct`]; what the database says.
pub async fn offer(work: &Work, product_id: i64) -> Result<Offer, Abort> {
    with_sale_state(product::Entity::find_by_id(product_id))
        .into_model::<OfferRow>()
        .one(work.connection())
        .await?
        .map(Offer::from)
        .ok_or_else(|| ShopError::UnknownProduct.into())
}

/// An offer with its stock, whose row is locked.
#[derive(Clone, Debug)]
pub struct LockedShelf {
    pub offer: Offer,
    pub available: i64,
    /// Of the stock's row.
    pub version: i64,
    pub layout: String,
}

/// Locks the stock of several products in id order, and reads their offers with it; products that do not exist are left out.
///
/// # Errors
/// What the database says.
pub async fn lock_shelves(work: &Work, product_ids: &[i64]) -> Result<Vec<LockedShelf>, DbErr> {
    let products =
        product::Entity::find().filter(dialect::column_in(product::Column::Id, product_ids));
    let shelves = with_stock(products)
        .column(stock::Column::Version)
        .column(stock::Column::Layout);
    let rows: Vec<ShelfRow> = locks::stock_of_products(work, shelves).await?;
    Ok(rows.into_iter().map(LockedShelf::from).collect())
}

impl Shop {
    /// The shop's products by id, of one category or of all.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] when the database fails.
    pub async fn products(&self, category: Option<&str>) -> Result<Vec<Product>, ShopError> {
        let mut query = shop_products().order_by_asc(product::Column::Id);
        if let Some(category) = category {
            query = query.filter(product::Column::Category.eq(category));
        }
        let rows = query
            .into_model::<ProductRow>()
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(rows.into_iter().map(Product::from).collect())
    }

    /// The categories, in the order in which the catalogue first names them.
    ///
    /// # Errors
    /// As [`Shop::products`].
    pub async fn categories(&self) -> Result<Vec<String>, ShopError> {
        product::Entity::find()
            .select_only()
            .column(product::Column::Category)
            .filter(product::Column::LaneId.is_null())
            .group_by(product::Column::Category)
            .order_by_asc(Expr::col(product::Column::Id).min())
            .into_tuple()
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)
    }

    /// A product of the shop by its slug.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; as [`Shop::products`].
    pub async fn product_by_slug(&self, slug: &str) -> Result<Product, ShopError> {
        // No text in PostgreSQL holds one, and asking is an error of its own.
        if slug.contains('\0') {
            return Err(ShopError::UnknownProduct);
        }
        self.one_product(shop_products().filter(product::Column::Slug.eq(slug)))
            .await
    }

    /// A product of the shop by its id.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; as [`Shop::products`].
    pub async fn product_by_id(&self, id: i64) -> Result<Product, ShopError> {
        self.one_product(shop_products().filter(product::Column::Id.eq(id)))
            .await
    }

    /// The four counters of each shop product, by id.
    ///
    /// # Errors
    /// As [`Shop::products`].
    pub async fn stock_levels(&self) -> Result<Vec<StockLevel>, ShopError> {
        product::Entity::find()
            .select_only()
            .column(product::Column::Id)
            .column(product::Column::Name)
            .column(product::Column::Slug)
            .column(stock::Column::Total)
            .column(stock::Column::Available)
            .column(stock::Column::Reserved)
            .column(stock::Column::Sold)
            .filter(product::Column::LaneId.is_null())
            .order_by_asc(product::Column::Id)
            .join_as_stock()
            .into_model()
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)
    }

    async fn one_product(&self, query: Select<product::Entity>) -> Result<Product, ShopError> {
        query
            .into_model::<ProductRow>()
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?
            .map(Product::from)
            .ok_or(ShopError::UnknownProduct)
    }

    /// The stock of `product_ids` as it is committed now, for those who follow it live.
    ///
    /// # Errors
    /// What the database says.
    pub async fn stock_now(&self, product_ids: &[i64]) -> Result<Vec<StockChange>, DbErr> {
        let rows = stock::Entity::find()
            .filter(dialect::column_in(stock::Column::ProductId, product_ids))
            .all(self.db.reader())
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| StockChange {
                product_id: row.product_id,
                available: row.available,
                version: row.version,
            })
            .collect())
    }
}

/// A product's counters, for the admin page.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct StockLevel {
    pub id: i64,
    pub name: String,
    pub slug: String,
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

/// An amount from a row. A currency that is no code can only come from a hand in the database; it reads as euros.
pub(super) fn money(cents: i64, currency: &str) -> Money {
    Money::new(cents, Currency::parse(currency).unwrap_or(Currency::EUR))
}
