//! The stock of products, for pages. [`super::stock_admin`] changes it.

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};

use super::{Shop, catalog::JoinStock};
use crate::{
    db::{
        entity::{product, stock},
        txn,
    },
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
}
