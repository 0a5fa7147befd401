//! The catalogue's queries and their rows: products, offers, and offers with a locked stock row.

use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use time::OffsetDateTime;

use super::{LockedOffer, Offer, VersionedProduct, money};
use crate::{
    db::entity::{product, stock},
    model::{Product, SaleState},
    shop::moment,
};

/// Selects products with their stock, without those of workbench lanes.
pub fn shop_products() -> Select<product::Entity> {
    with_stock(product::Entity::find())
        .column(stock::Column::Version)
        .filter(product::Column::LaneId.is_null())
}

/// Adds the stock and the sale state to a query.
pub fn with_stock(query: Select<product::Entity>) -> Select<product::Entity> {
    with_sale_state(query)
        .column_as(stock::Column::Available, "available")
        .column_as(stock::Column::Total, "total")
        .join_as_stock()
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

/// Adds columns that compare the sale's start and end with the database's clock.
pub fn with_sale_state(query: Select<product::Entity>) -> Select<product::Entity> {
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
    sale_starts_at: Option<OffsetDateTime>,
    not_started: Option<bool>,
    ended: Option<bool>,
    available: i64,
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
            per_customer_limit: limit(row.per_customer_limit),
            sale: sale_state(row.sale_starts_at, row.not_started, row.ended),
            available: row.available,
            total: row.total,
        }
    }
}

/// An offer, as selected by [`with_sale_state`].
#[derive(Debug, FromQueryResult)]
pub struct OfferRow {
    id: i64,
    slug: String,
    name: String,
    price_cents: i64,
    currency: String,
    per_customer_limit: Option<i32>,
    sale_starts_at: Option<OffsetDateTime>,
    not_started: Option<bool>,
    ended: Option<bool>,
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
            sale: sale_state(row.sale_starts_at, row.not_started, row.ended),
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
        (Some(at), Some(true), _) => SaleState::NotStarted(moment::in_utc(at)),
        _ => SaleState::Open,
    }
}
