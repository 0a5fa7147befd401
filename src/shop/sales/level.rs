//! The sales of several products at one moment, for pages that follow them.

use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, sea_query::Expr,
};
use time::OffsetDateTime;

use super::Sales;
use crate::{
    db::{
        dialect,
        entity::{product, stock},
        txn,
    },
    model::{Money, SalePlan, SaleState, SellOut, ShopError, StockCounts},
    shop::{
        catalog::{self, JoinStock, sold_out_time::SoldOut},
        moment,
    },
};

/// The sale of a product at the moment of [`SaleLevels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaleLevel {
    pub product_id: i64,
    pub plan: SalePlan,
    pub price: Money,
    /// A higher price to compare the price with.
    pub compare_at: Option<Money>,
    /// The maximum units for one customer.
    pub limit: Option<u32>,
    pub counts: StockCounts,
    /// The version of the stock row.
    pub version: i64,
    /// See [`crate::model::Product::sell_out`].
    pub sell_out: Option<SellOut>,
}

impl SaleLevel {
    /// The state at `now_ms`, by the database's clock.
    pub fn state_at(&self, now_ms: i64) -> SaleState {
        self.plan.state_at(now_ms, self.counts)
    }
}

/// The sales of several products, and when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaleLevels {
    /// Unix milliseconds by the database's clock.
    pub now_ms: i64,
    /// Ordered by product id.
    pub levels: Vec<SaleLevel>,
}

#[derive(Debug, FromQueryResult)]
struct LevelRow {
    product_id: i64,
    sale_starts_at: Option<OffsetDateTime>,
    sale_ends_at: Option<OffsetDateTime>,
    price_cents: i64,
    currency: String,
    compare_at_cents: Option<i64>,
    per_customer_limit: Option<i32>,
    available: i64,
    reserved: i64,
    sold: i64,
    total: i64,
    version: i64,
    read_at: OffsetDateTime,
}

impl LevelRow {
    fn level(&self) -> SaleLevel {
        SaleLevel {
            product_id: self.product_id,
            plan: catalog::plan(self.sale_starts_at, self.sale_ends_at),
            price: catalog::money(self.price_cents, &self.currency),
            compare_at: self
                .compare_at_cents
                .map(|cents| catalog::money(cents, &self.currency)),
            limit: catalog::limit(self.per_customer_limit),
            counts: StockCounts {
                available: self.available,
                reserved: self.reserved,
                sold: self.sold,
                total: self.total,
            },
            version: self.version,
            sell_out: None,
        }
    }
}

impl Sales<'_> {
    /// Returns the sales of the shop products among `product_ids` and the database's clock, in one
    /// query. The sale of a private product is nothing that a visitor may follow. Only for a
    /// product that has just sold out, a second query reads how long that took.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if the database fails.
    pub async fn current(self, product_ids: &[i64]) -> Result<SaleLevels, ShopError> {
        let rows = product::Entity::find()
            .select_only()
            .column_as(product::Column::Id, "product_id")
            .column(product::Column::SaleStartsAt)
            .column(product::Column::SaleEndsAt)
            .column(product::Column::PriceCents)
            .column(product::Column::Currency)
            .column(product::Column::CompareAtCents)
            .column(product::Column::PerCustomerLimit)
            .column(stock::Column::Available)
            .column(stock::Column::Reserved)
            .column(stock::Column::Sold)
            .column(stock::Column::Total)
            .column(stock::Column::Version)
            .expr_as(Expr::current_timestamp(), "read_at")
            .join_as_stock()
            .filter(product::Column::LaneId.is_null())
            .filter(dialect::column_in(product::Column::Id, product_ids))
            .into_model::<LevelRow>()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let now_ms = match rows.first() {
            Some(row) => moment::as_ms(row.read_at),
            None => {
                let now = dialect::now(self.shop.db.reader()).await;
                moment::as_ms(now.map_err(txn::read_error)?)
            }
        };
        let mut levels: Vec<_> = rows.iter().map(LevelRow::level).collect();
        levels.sort_unstable_by_key(|level| level.product_id);
        let sold_out: Vec<_> = levels
            .iter()
            .filter_map(|level| {
                SoldOut::of(level.product_id, level.version, level.plan, level.counts)
            })
            .collect();
        let times = self.shop.sold_out_times.of(&self.shop.db, &sold_out);
        let times = times.await.map_err(txn::read_error)?;
        for level in &mut levels {
            level.sell_out = times.get(&level.product_id).copied();
        }
        Ok(SaleLevels { now_ms, levels })
    }
}
