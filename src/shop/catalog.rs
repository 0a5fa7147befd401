//! The catalogue: products for pages, and offers for purchases.

mod rows;
mod search;
pub mod sold_out_time;

pub(super) use rows::{JoinStock, ProductRow, limit, plan, slugs, with_stock};
pub use search::ProductList;

use std::time::Instant;

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use time::OffsetDateTime;

use self::{
    rows::{LockedOfferRow, OfferRow, VersionedProductRow, shop_products, with_clock, with_time},
    sold_out_time::SoldOut,
};
use crate::{
    db::{
        Db, dialect,
        entity::{product, stock},
        locks,
        txn::{self, Abort, Work},
    },
    feed::Feed,
    model::{Currency, Money, Product, SalePlan, ShopError},
    shop::{Shop, moment},
};

/// A product inside a transaction, with everything that a purchase checks except the stock.
#[derive(Clone, Debug)]
pub struct Offer {
    pub id: i64,
    pub slug: String,
    pub name: String,
    pub price: Money,
    pub per_customer_limit: Option<u32>,
    pub plan: SalePlan,
    /// The end of the sale, as the database stores it.
    pub sale_ends_at: Option<OffsetDateTime>,
    /// The database's time that decides whether the sale is open, in Unix milliseconds.
    pub read_at_ms: i64,
    /// The workbench lane that owns the product; `None` for a shop product.
    pub lane_id: Option<i64>,
}

impl Offer {
    /// Checks that a buyer of the lane `lane_id`, or a shopper, may buy the product: a private
    /// product does not exist for anyone but the buyers of its lane.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`].
    pub fn check_buyer(&self, lane_id: Option<i64>) -> Result<(), ShopError> {
        if self.lane_id.is_none() || self.lane_id == lane_id {
            Ok(())
        } else {
            Err(ShopError::UnknownProduct)
        }
    }

    /// Checks that the sale is open.
    ///
    /// # Errors
    /// [`ShopError::SaleNotStarted`] or [`ShopError::SaleEnded`].
    pub fn check_open(&self) -> Result<(), ShopError> {
        let product = self.name.clone();
        if self.plan.has_ended_at(self.read_at_ms) {
            return Err(ShopError::SaleEnded { product });
        }
        match self.plan.starts_at_ms {
            Some(start) if self.read_at_ms < start => Err(ShopError::SaleNotStarted {
                product,
                opens_at: moment::in_utc(moment::from_ms(start)),
            }),
            _ => Ok(()),
        }
    }

    /// Checks that one express purchase of a buyer of the lane `lane_id`, or of an unknown caller,
    /// may have `units` units. Each simulated buyer is another customer; the units of an unknown
    /// caller cannot be counted.
    ///
    /// # Errors
    /// [`ShopError::OverCustomerLimit`], [`ShopError::LimitedPerCustomer`].
    pub fn check_express_limit(&self, lane_id: Option<i64>, units: i64) -> Result<(), ShopError> {
        match (self.per_customer_limit, lane_id) {
            (Some(limit), None) => Err(ShopError::LimitedPerCustomer {
                product: self.name.clone(),
                slug: self.slug.clone(),
                limit,
            }),
            _ => self.check_limit(units),
        }
    }

    /// Checks that one customer may have `units` units.
    ///
    /// # Errors
    /// [`ShopError::OverCustomerLimit`].
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
/// [`ShopError::UnknownProduct`].
pub async fn offer(work: &Work, product_id: i64) -> Result<Offer, Abort> {
    with_clock(product::Entity::find_by_id(product_id))
        .into_model::<OfferRow>()
        .one(work.connection())
        .await?
        .map(Offer::from)
        .ok_or_else(|| ShopError::UnknownProduct.into())
}

/// Reads an offer outside of a transaction; `None` if there is no such product.
pub async fn read_offer(db: &Db, product_id: i64) -> Result<Option<Offer>, DbErr> {
    let row = with_clock(product::Entity::find_by_id(product_id))
        .into_model::<OfferRow>()
        .one(db.reader())
        .await?;
    Ok(row.map(Offer::from))
}

/// Reads offers by the database's clock as it is now, also in a transaction that began earlier and
/// has waited for a lock since. Products that do not exist are left out.
pub async fn offers_now(work: &Work, product_ids: &[i64]) -> Result<Vec<Offer>, DbErr> {
    let products =
        product::Entity::find().filter(dialect::column_in(product::Column::Id, product_ids));
    let rows = with_time(products, dialect::clock())
        .into_model::<OfferRow>()
        .all(work.connection())
        .await?;
    Ok(rows.into_iter().map(Offer::from).collect())
}

/// An offer with its stock; the stock row is locked.
#[derive(Clone, Debug)]
pub struct LockedOffer {
    pub offer: Offer,
    pub available: i64,
    /// Version of the stock row.
    pub version: i64,
    pub layout: String,
}

/// Locks the stock rows of several products in id order and reads their offers. Products that do
/// not exist are left out.
pub async fn lock_offers(work: &Work, product_ids: &[i64]) -> Result<Vec<LockedOffer>, DbErr> {
    let products =
        product::Entity::find().filter(dialect::column_in(product::Column::Id, product_ids));
    let offers = with_stock(products)
        .column(stock::Column::Version)
        .column(stock::Column::Layout);
    let rows: Vec<LockedOfferRow> = locks::stock_of_products(work, product_ids, offers).await?;
    Ok(rows.into_iter().map(LockedOffer::from).collect())
}

/// A product as it was read, with the version of its stock row.
#[derive(Clone, Debug)]
pub struct VersionedProduct {
    pub product: Product,
    version: i64,
    /// When it was read, by this process's clock, which only measures its age.
    read: Instant,
}

impl VersionedProduct {
    /// Returns the product as it is now: with the stock that the feed knows, if that is newer, and
    /// with the database's clock advanced by the age of the read.
    pub fn with_latest_stock(&self, feed: &Feed) -> Product {
        let mut product = self.product.clone();
        let age_ms = i64::try_from(self.read.elapsed().as_millis()).unwrap_or(0);
        product.read_at_ms = product.read_at_ms.saturating_add(age_ms);
        let latest = feed.latest(&[product.id]);
        if let Some(change) = latest
            .first()
            .filter(|change| change.version > self.version)
        {
            product.available = change.available;
            // The feed does not know whether the units were reserved or sold. Until the next read
            // they count as reserved: such units may still come back.
            product.reserved = Ord::max(product.total - product.available - product.sold, 0);
            product.sell_out = None;
        }
        product
    }

    /// What the time of its selling out depends on; `None` while there is stock, or if nothing was
    /// ever sold.
    fn sold_out(&self) -> Option<SoldOut> {
        SoldOut::of(
            self.product.id,
            self.version,
            self.product.plan,
            self.product.counts(),
        )
    }
}

/// Reads products; see [`Shop::catalog`].
#[derive(Clone, Copy, Debug)]
pub struct Catalog<'a> {
    pub(super) shop: &'a Shop,
}

impl Catalog<'_> {
    /// Returns the shop's products ordered by id.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if the database fails.
    pub async fn products(self) -> Result<Vec<VersionedProduct>, ShopError> {
        let rows = shop_products()
            .order_by_asc(product::Column::Id)
            .into_model::<VersionedProductRow>()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        self.with_sold_out_times(rows.into_iter().map(VersionedProduct::from).collect())
            .await
    }

    async fn with_sold_out_times(
        self,
        mut products: Vec<VersionedProduct>,
    ) -> Result<Vec<VersionedProduct>, ShopError> {
        let sold_out: Vec<_> = products
            .iter()
            .filter_map(VersionedProduct::sold_out)
            .collect();
        let times = self.shop.sold_out_times.of(&self.shop.db, &sold_out);
        let times = times.await.map_err(txn::read_error)?;
        for versioned in &mut products {
            versioned.product.sell_out = times.get(&versioned.product.id).copied();
        }
        Ok(products)
    }

    /// Returns the categories, in the order of their first product.
    ///
    /// # Errors
    /// The errors of [`Catalog::products`].
    pub async fn categories(self) -> Result<Vec<String>, ShopError> {
        product::Entity::find()
            .select_only()
            .column(product::Column::Category)
            .filter(product::Column::LaneId.is_null())
            .group_by(product::Column::Category)
            .order_by_asc(Expr::col(product::Column::Id).min())
            .into_tuple()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)
    }

    /// Returns a shop product by its slug.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; the errors of [`Catalog::products`].
    pub async fn product_by_slug(self, slug: &str) -> Result<VersionedProduct, ShopError> {
        // PostgreSQL text cannot contain a zero byte, and a query with one fails.
        if slug.contains('\0') {
            return Err(ShopError::UnknownProduct);
        }
        self.one_product(shop_products().filter(product::Column::Slug.eq(slug)))
            .await
    }

    /// Returns a shop product by its id.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; the errors of [`Catalog::products`].
    pub async fn product_by_id(self, id: i64) -> Result<VersionedProduct, ShopError> {
        self.one_product(shop_products().filter(product::Column::Id.eq(id)))
            .await
    }

    async fn one_product(
        self,
        query: Select<product::Entity>,
    ) -> Result<VersionedProduct, ShopError> {
        let row = query
            .into_model::<VersionedProductRow>()
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or(ShopError::UnknownProduct)?;
        self.with_sold_out_times(vec![row.into()])
            .await?
            .pop()
            .ok_or(ShopError::UnknownProduct)
    }
}

/// Converts an amount from a row. An invalid currency code can only result from a manual change of
/// the database; it is read as euros.
pub(super) fn money(cents: i64, currency: &str) -> Money {
    Money::new(cents, Currency::parse(currency).unwrap_or(Currency::EUR))
}
