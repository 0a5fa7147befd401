//! The stock of products, for pages and subscribers. [`super::stock_admin`] changes it.

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{Shop, catalog::JoinStock};
use crate::{
    db::{
        dialect,
        entity::{product, stock},
        txn,
    },
    feed::StockChange,
    model::ShopError,
};

/// A product's stock counters, for the admin page.
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

/// Reads stock; see [`Shop::stock`].
#[derive(Clone, Copy, Debug)]
pub struct Stock<'a> {
    pub(super) shop: &'a Shop,
}

impl Stock<'_> {
    /// Returns the stock counters of each shop product, ordered by id.
    pub async fn levels(self) -> Result<Vec<StockLevel>, ShopError> {
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
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)
    }

    /// Returns the committed stock of the shop products among `product_ids`, for subscribers of
    /// live stock. The stock of a private product is nothing that a visitor may follow.
    pub async fn current(self, product_ids: &[i64]) -> Result<Vec<StockChange>, DbErr> {
        let rows = stock::Entity::find()
            .join(
                JoinType::InnerJoin,
                stock::Entity::belongs_to(product::Entity)
                    .from(stock::Column::ProductId)
                    .to(product::Column::Id)
                    .into(),
            )
            .filter(product::Column::LaneId.is_null())
            .filter(dialect::column_in(stock::Column::ProductId, product_ids))
            .all(self.shop.db.reader())
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
