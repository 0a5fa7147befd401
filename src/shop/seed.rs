//! The catalogue of a new shop.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    EntityTrait, PaginatorTrait,
};
use serde::Deserialize;

use crate::{
    db::{
        Db, dialect,
        entity::product,
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{Currency, product::check_name},
    shop::inventory::layout,
};

/// Products in the order of their ids. The documentation and the tests buy the first one.
const CATALOGUE: &str = include_str!("seed/catalogue.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedProduct {
    slug: String,
    name: String,
    category: String,
    description: String,
    artwork: String,
    price_cents: i64,
    stock: i64,
    per_customer_limit: Option<i32>,
}

/// Writes the catalogue if the shop has no products, and returns the number of products written.
/// The caller holds the schema lock, because several server processes may start at the same time.
///
/// # Errors
/// [`TxnError`] if the transaction fails.
pub async fn fill_if_empty(db: &Db) -> Result<usize, TxnError> {
    txn::run_for_result(db, Policy::request("seed"), |work| Box::pin(fill(work))).await
}

async fn fill(work: &Work) -> Result<usize, Abort> {
    if product::Entity::find().count(work.connection()).await? > 0 {
        return Ok(0);
    }
    let mut catalogue: Vec<SeedProduct> =
        serde_json::from_str(CATALOGUE).map_err(|error| sea_orm::DbErr::Json(error.to_string()))?;
    for product in &mut catalogue {
        product.name = check_name(&product.name)?;
    }
    let count = catalogue.len();
    let ids = 1..;
    let numbered: Vec<(i64, SeedProduct)> = ids.zip(catalogue).collect();
    let stocks: Vec<(i64, i64)> = numbered
        .iter()
        .map(|(id, seed)| (*id, seed.stock))
        .collect();
    let products = numbered.into_iter().map(|(id, seed)| product_row(id, seed));
    product::Entity::insert_many(products)
        .exec_without_returning(work.connection())
        .await?;
    layout::insert_rows(work, &stocks).await?;
    dialect::advance_ids(work.connection(), "product").await?;
    Ok(count)
}

fn product_row(id: i64, seed: SeedProduct) -> product::ActiveModel {
    product::ActiveModel {
        id: Set(id),
        slug: Set(seed.slug),
        name: Set(seed.name),
        description: Set(seed.description),
        category: Set(seed.category),
        artwork: Set(seed.artwork),
        price_cents: Set(seed.price_cents),
        currency: Set(Currency::EUR.code().to_owned()),
        per_customer_limit: Set(seed.per_customer_limit),
        sale_starts_at: NotSet,
        sale_ends_at: NotSet,
        lane_id: NotSet,
        compare_at_cents: NotSet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_the_products_that_docs_and_tests_rely_on() -> Result<(), serde_json::Error>
    {
        let catalogue: Vec<SeedProduct> = serde_json::from_str(CATALOGUE)?;
        let categories: std::collections::HashSet<_> =
            catalogue.iter().map(|product| &product.category).collect();
        assert!(catalogue.len() >= 24 && categories.len() == 5);
        let first = &catalogue[0];
        assert_eq!(
            (
                first.slug.as_str(),
                first.name.as_str(),
                first.stock,
                first.per_customer_limit
            ),
            ("flash-sale-smartphone", "Flash Sale Smartphone", 20, None)
        );
        assert!(catalogue.iter().take(20).all(|product| product.stock > 0));
        Ok(())
    }
}
