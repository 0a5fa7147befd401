//! Lists of products: of a category, or with certain words, in a certain order, page by page.

use sea_orm::{
    ConnectionTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, NullOrdering},
};

use super::{
    Catalog, VersionedProduct,
    rows::{VersionedProductRow, shop_products},
};
use crate::{
    db::{dialect, entity::product, txn},
    model::{
        ShopError,
        product_query::{PAGE_PRODUCTS_MAX, ProductQuery, ProductSort},
    },
};

/// The folded name and description, which the database itself keeps (migration m0027).
const SEARCH_TEXT: &str = "search_text";

/// One page of a list of products.
#[derive(Clone, Debug, Default)]
pub struct ProductList {
    /// The products of the page; empty after the last page.
    pub products: Vec<VersionedProduct>,
    /// The number of products on all pages.
    pub total: u64,
}

impl Catalog<'_> {
    /// Returns a page of the products of the query, in its order, and the number of all.
    ///
    /// # Errors
    /// The errors of [`Catalog::products`].
    pub async fn find(self, query: &ProductQuery) -> Result<ProductList, ShopError> {
        // PostgreSQL text cannot contain a zero byte, so no product contains such a word either.
        if query.words.iter().any(|word| word.contains('\0')) {
            return Ok(ProductList::default());
        }
        let total = self.count(query).await?;
        let before = query.page.products_before();
        if before >= total {
            let products = Vec::new();
            return Ok(ProductList { products, total });
        }
        let rows = sorted(selected(self.shop.db.reader(), query), query.sort)
            .order_by_asc(product::Column::Id)
            .offset(before)
            .limit(u64::from(PAGE_PRODUCTS_MAX))
            .into_model::<VersionedProductRow>()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let products = self
            .with_sold_out_times(rows.into_iter().map(VersionedProduct::from).collect())
            .await?;
        Ok(ProductList { products, total })
    }

    async fn count(self, query: &ProductQuery) -> Result<u64, ShopError> {
        let id = Expr::col((product::Entity, product::Column::Id));
        let total: Option<i64> = selected(self.shop.db.reader(), query)
            .select_only()
            .expr_as(id.count(), "total")
            .into_tuple()
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(total.map_or(0, i64::unsigned_abs))
    }
}

fn selected(connection: &impl ConnectionTrait, query: &ProductQuery) -> Select<product::Entity> {
    let mut products = shop_products();
    if !query.categories.is_empty() {
        let categories = query.categories.clone();
        products = products.filter(dialect::text_in(product::Column::Category, categories));
    }
    for word in &query.words {
        let text = (product::Entity, SEARCH_TEXT);
        products = products.filter(dialect::contains_folded(connection, text, word));
    }
    products
}

fn sorted(products: Select<product::Entity>, sort: ProductSort) -> Select<product::Entity> {
    match sort {
        ProductSort::Featured => products,
        ProductSort::PriceUp => products.order_by_asc(product::Column::PriceCents),
        ProductSort::PriceDown => products.order_by_desc(product::Column::PriceCents),
        ProductSort::Name => {
            let name = Expr::col((product::Entity, product::Column::Name));
            products.order_by(dialect::folded(name), Order::Asc)
        }
        ProductSort::EndingSoon => {
            let end = || Expr::col((product::Entity, product::Column::SaleEndsAt));
            let has_ended = end()
                .is_not_null()
                .and(end().lte(Expr::current_timestamp()));
            products
                .order_by(has_ended, Order::Asc)
                .order_by_with_nulls(end(), Order::Asc, NullOrdering::Last)
        }
    }
}
