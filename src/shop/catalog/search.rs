//! Lists of products: of a category, or with certain words, in a certain order.

use sea_orm::{
    Order, QueryFilter, QueryOrder, QuerySelect, Select,
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
        product_query::{ProductQuery, ProductSort},
    },
};

/// The most products of one list.
pub const PRODUCTS_MAX: usize = 500;

/// The folded name and description, which the database itself keeps (migration m0027).
const SEARCH_TEXT: &str = "search_text";

impl Catalog<'_> {
    /// Returns the products of the query in its order, at most [`PRODUCTS_MAX`].
    ///
    /// # Errors
    /// The errors of [`Catalog::products`].
    pub async fn find(self, query: &ProductQuery) -> Result<Vec<VersionedProduct>, ShopError> {
        // PostgreSQL text cannot contain a zero byte, so no product contains such a word either.
        if query.words.iter().any(|word| word.contains('\0')) {
            return Ok(Vec::new());
        }
        let rows = sorted(selected(query), query.sort)
            .order_by_asc(product::Column::Id)
            .limit(PRODUCTS_MAX as u64)
            .into_model::<VersionedProductRow>()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        self.with_sold_out_times(rows.into_iter().map(VersionedProduct::from).collect())
            .await
    }
}

fn selected(query: &ProductQuery) -> Select<product::Entity> {
    let mut products = shop_products();
    if !query.categories.is_empty() {
        let categories = query.categories.clone();
        products = products.filter(dialect::text_in(product::Column::Category, categories));
    }
    for word in &query.words {
        let text = (product::Entity, SEARCH_TEXT);
        products = products.filter(dialect::contains_folded(text, word));
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
