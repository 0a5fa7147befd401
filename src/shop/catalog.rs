//! The catalogue: products as pages show them, and offers as a purchase checks them.

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder,
    QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use time::{OffsetDateTime, macros::format_description};

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

    /// Any product by its id, private ones of the workbench included: for simulated buyers.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; as [`Shop::products`].
    pub async fn any_product_by_id(&self, id: i64) -> Result<Product, ShopError> {
        self.one_product(with_stock(product::Entity::find_by_id(id)))
            .await
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

/// Products with their stock; lanes of the workbench left out.
pub(super) fn shop_products() -> Select<product::Entity> {
    with_stock(product::Entity::find()).filter(product::Column::LaneId.is_null())
}

/// Joins the stock and asks the database's clock about the sale.
pub(super) fn with_stock(query: Select<product::Entity>) -> Select<product::Entity> {
    with_sale_state(query)
        .column_as(stock::Column::Available, "available")
        .column_as(stock::Column::Total, "total")
        .join_as_stock()
}

trait JoinStock {
    fn join_as_stock(self) -> Self;
}

impl JoinStock for Select<product::Entity> {
    fn join_as_stock(self) -> Self {
        self.join(
            JoinType::InnerJoin,
            product::Entity::belongs_to(stock::Entity)
                .from(product::Column::Id)
                .to(stock::Column::ProductId)
                .into(),
        )
    }
}

fn with_sale_state(query: Select<product::Entity>) -> Select<product::Entity> {
    let now = Expr::current_timestamp;
    let column = |column| Expr::col((product::Entity, column));
    query
        .expr_as(
            column(product::Column::SaleStartsAt).gt(now()),
            "not_started",
        )
        .expr_as(column(product::Column::SaleEndsAt).lte(now()), "ended")
}

/// A product with its stock, as selected by [`with_stock`].
#[derive(Debug, FromQueryResult)]
pub(super) struct ProductRow {
    id: i64,
    slug: String,
    name: String,
    description: String,
    category: String,
    artwork: String,
    price_cents: i64,
    currency: String,
    per_customer_limit: Option<i32>,
    sale_starts_at: Option<OffsetDateTime>,
    not_started: Option<bool>,
    ended: Option<bool>,
    available: i64,
    total: i64,
}

#[derive(Debug, FromQueryResult)]
struct OfferRow {
    id: i64,
    name: String,
    price_cents: i64,
    currency: String,
    per_customer_limit: Option<i32>,
    sale_starts_at: Option<OffsetDateTime>,
    not_started: Option<bool>,
    ended: Option<bool>,
    lane_id: Option<i64>,
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            description: row.description,
            category: row.category,
            artwork: row.artwork,
            price: money(row.price_cents, &row.currency),
            per_customer_limit: limit(row.per_customer_limit),
            sale: sale_state(row.sale_starts_at, row.not_started, row.ended),
            available: row.available,
            total: row.total,
        }
    }
}

/// An offer with its stock's row.
#[derive(Debug, FromQueryResult)]
struct ShelfRow {
    #[sea_orm(nested)]
    offer: OfferRow,
    available: i64,
    version: i64,
    layout: String,
}

impl From<ShelfRow> for LockedShelf {
    fn from(row: ShelfRow) -> Self {
        Self {
            offer: row.offer.into(),
            available: row.available,
            version: row.version,
            layout: row.layout,
        }
    }
}

impl From<OfferRow> for Offer {
    fn from(row: OfferRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            price: money(row.price_cents, &row.currency),
            per_customer_limit: limit(row.per_customer_limit),
            sale: sale_state(row.sale_starts_at, row.not_started, row.ended),
            lane_id: row.lane_id,
        }
    }
}

/// An amount from a row. A currency that is no code can only come from a hand in the database; it reads as euros.
pub(super) fn money(cents: i64, currency: &str) -> Money {
    Money::new(cents, Currency::parse(currency).unwrap_or(Currency::EUR))
}

fn limit(limit: Option<i32>) -> Option<u32> {
    limit.and_then(|limit| u32::try_from(limit).ok())
}

fn sale_state(
    starts_at: Option<OffsetDateTime>,
    not_started: Option<bool>,
    ended: Option<bool>,
) -> SaleState {
    match (starts_at, not_started, ended) {
        (_, _, Some(true)) => SaleState::Ended,
        (Some(at), Some(true), _) => SaleState::NotStarted(in_utc(at)),
        _ => SaleState::Open,
    }
}

/// A moment as a person reads it: `2026-12-12 12:12 UTC`.
pub(crate) fn in_utc(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!(
            "[year]-[month]-[day] [hour]:[minute] UTC"
        ))
        .unwrap_or_default()
}

/// The time of day alone, to the second: `12:12:12 UTC`.
pub(crate) fn time_in_utc(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!("[hour]:[minute]:[second] UTC"))
        .unwrap_or_default()
}

/// A moment as a person or a browser writes it, `2026-12-12 12:12` or `2026-12-12T12:12`, in UTC.
pub fn parse_utc(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim_end_matches(" UTC").replace('T', " ");
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    Some(
        time::PrimitiveDateTime::parse(&text, format)
            .ok()?
            .assume_utc(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_as_it_is_written() {
        for text in [
            "2026-12-12 12:12 UTC",
            "2026-12-12T12:12",
            "2026-12-12 12:12",
        ] {
            assert_eq!(
                parse_utc(text).map(in_utc).as_deref(),
                Some("2026-12-12 12:12 UTC")
            );
        }
        assert_eq!(parse_utc("tomorrow"), None);
    }
}
