//! `GET /api/products` and `GET /api/products/{id}`: the catalogue with sales and stock.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use serde::Serialize;

use super::problem::Problem;
use crate::{
    model::{Product, ShopError},
    shop::moment,
    web::AppState,
};

/// A product in the API's format.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductJson {
    id: i64,
    slug: String,
    name: String,
    category: String,
    price_cents: i64,
    currency: String,
    /// A higher price to compare the price with.
    compare_at_cents: Option<i64>,
    /// The maximum units for one customer.
    per_customer_limit: Option<u32>,
    /// `announced`, `open`, `reserved-out`, `sold-out` or `ended`, at `server_time`.
    state: &'static str,
    /// RFC 3339; `null` if the product has always been on sale.
    starts_at: Option<String>,
    /// RFC 3339; `null` if the sale does not end.
    ends_at: Option<String>,
    available: i64,
    reserved: i64,
    sold: i64,
    total: i64,
    /// How long it took to sell all units of this sale, in milliseconds.
    sold_out_in_ms: Option<i64>,
    /// The units of this sale; `null` with `sold_out_in_ms`.
    sold_out_units: Option<i64>,
    /// The database's clock, in RFC 3339: it decides when a sale starts and ends.
    server_time: String,
}

impl From<Product> for ProductJson {
    fn from(product: Product) -> Self {
        let time = |ms| moment::in_rfc3339(moment::from_ms(ms));
        Self {
            state: product.state().as_str(),
            id: product.id,
            slug: product.slug,
            name: product.name,
            category: product.category,
            price_cents: product.price.cents,
            currency: product.price.currency.into(),
            compare_at_cents: product.compare_at.map(|price| price.cents),
            per_customer_limit: product.per_customer_limit,
            starts_at: product.plan.starts_at_ms.map(time),
            ends_at: product.plan.ends_at_ms.map(time),
            available: product.available,
            reserved: product.reserved,
            sold: product.sold,
            total: product.total,
            sold_out_in_ms: product.sell_out.map(|sell_out| sell_out.took_ms),
            sold_out_units: product.sell_out.map(|sell_out| sell_out.units),
            server_time: time(product.read_at_ms),
        }
    }
}

/// `GET /api/products`
pub async fn list(State(state): State<AppState>) -> Result<Json<Vec<ProductJson>>, Problem> {
    let products = state.catalog.products().await?;
    Ok(Json(products.into_iter().map(ProductJson::from).collect()))
}

/// `GET /api/products/{id}`
pub async fn one(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ProductJson>, Problem> {
    let Path(id) = id.map_err(|_| ShopError::UnknownProduct)?;
    let id = id.parse().map_err(|_| ShopError::UnknownProduct)?;
    Ok(Json(state.catalog.product_by_id(id).await?.into()))
}
