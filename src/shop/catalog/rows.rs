//! The catalogue's queries and their rows: products, offers, and offers with a locked stock row.

use std::{collections::HashMap, time::Instant};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter,
    QuerySelect, Select,
    sea_query::{Expr, SimpleExpr},
};
use time::OffsetDateTime;

use super::{LockedOffer, Offer, VersionedProduct, money};
use crate::{
    db::{
        dialect,
        entity::{product, stock},
    },
    model::{Product, SalePlan},
    shop::moment,
};

/// Selects products with their stock, without those of workbench lanes.
pub fn shop_products() -> Select<product::Entity> {
    with_stock(product::Entity::find())
        .column(stock::Column::Version)
        .filter(product::Column::LaneId.is_null())
}

/// Adds the stock and the database's time to a query.
pub fn with_stock(query: Select<product::Entity>) -> Select<product::Entity> {
    with_clock(query)
        .column_as(stock::Column::Available, "available")
        .column_as(stock::Column::Reserved, "reserved")
        .column_as(stock::Column::Sold, "sold")
        .column_as(stock::Column::Total, "total")
        .join_as_stock()
}

/// Returns the slugs of these products, by their ids.
pub async fn slugs<C: ConnectionTrait>(
    connection: &C,
    product_ids: &[i64],
) -> Result<HashMap<i64, String>, DbErr> {
    let slugs: Vec<(i64, String)> = product::Entity::find()
        .select_only()
        .columns([product::Column::Id, product::Column::Slug])
        .filter(dialect::column_in(product::Column::Id, product_ids))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(slugs.into_iter().collect())
}

/// Joins the stock row; a product without one is left out.
pub trait JoinStock {
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

/// Adds the database's time, which decides whether the sale is open. Inside a transaction this is
/// the time at which it began.
pub fn with_clock(query: Select<product::Entity>) -> Select<product::Entity> {
    with_time(query, Expr::current_timestamp())
}

/// Adds the time `now` of the database.
pub fn with_time(query: Select<product::Entity>, now: SimpleExpr) -> Select<product::Entity> {
    query.expr_as(now, "read_at")
}

/// A product with its stock, as selected by [`with_stock`].
#[derive(Debug, FromQueryResult)]
pub struct ProductRow {
    id: i64,
    slug: String,
    name: String,
    description: String,
    category: String,
    artwork: String,
    price_cents: i64,
    currency: String,
    per_customer_limit: Option<i32>,
    compare_at_cents: Option<i64>,
    sale_starts_at: Option<OffsetDateTime>,
    sale_ends_at: Option<OffsetDateTime>,
    read_at: OffsetDateTime,
    available: i64,
    reserved: i64,
    sold: i64,
    total: i64,
}

/// The same with the version of its stock row, as selected by [`shop_products`].
#[derive(Debug, FromQueryResult)]
pub struct VersionedProductRow {
    #[sea_orm(nested)]
    product: ProductRow,
    version: i64,
}

impl From<VersionedProductRow> for VersionedProduct {
    fn from(row: VersionedProductRow) -> Self {
        Self {
            product: row.product.into(),
            version: row.version,
            read: Instant::now(),
        }
    }
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
            compare_at: row
                .compare_at_cents
                .map(|cents| money(cents, &row.currency)),
            per_customer_limit: limit(row.per_customer_limit),
            plan: plan(row.sale_starts_at, row.sale_ends_at),
            available: row.available,
            reserved: row.reserved,
            sold: row.sold,
            total: row.total,
            read_at_ms: moment::as_ms(row.read_at),
            sell_out: None,
        }
    }
}

/// An offer, as selected by [`with_clock`].
#[derive(Debug, FromQueryResult)]
pub struct OfferRow {
    id: i64,
    slug: String,
    name: String,
    price_cents: i64,
    currency: String,
    per_customer_limit: Option<i32>,
    sale_starts_at: Option<OffsetDateTime>,
    sale_ends_at: Option<OffsetDateTime>,
    read_at: OffsetDateTime,
    lane_id: Option<i64>,
}

impl From<OfferRow> for Offer {
    fn from(row: OfferRow) -> Self {
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            price: money(row.price_cents, &row.currency),
            per_customer_limit: limit(row.per_customer_limit),
            plan: plan(row.sale_starts_at, row.sale_ends_at),
            sale_ends_at: row.sale_ends_at,
            read_at_ms: moment::as_ms(row.read_at),
            lane_id: row.lane_id,
        }
    }
}

/// An offer with columns of its stock row.
#[derive(Debug, FromQueryResult)]
pub struct LockedOfferRow {
    #[sea_orm(nested)]
    offer: OfferRow,
    available: i64,
    version: i64,
    layout: String,
}

impl From<LockedOfferRow> for LockedOffer {
    fn from(row: LockedOfferRow) -> Self {
        Self {
            offer: row.offer.into(),
            available: row.available,
            version: row.version,
            layout: row.layout,
        }
    }
}

/// Converts a limit of a row.
pub fn limit(limit: Option<i32>) -> Option<u32> {
    limit.and_then(|limit| u32::try_from(limit).ok())
}

/// Converts the times of a row.
pub fn plan(starts_at: Option<OffsetDateTime>, ends_at: Option<OffsetDateTime>) -> SalePlan {
    SalePlan {
        starts_at_ms: starts_at.map(moment::as_ms_up),
        ends_at_ms: ends_at.map(moment::as_ms),
    }
}
