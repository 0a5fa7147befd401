//! `GET /api/products` and `GET /api/products/{id}`: the catalogue with sales and stock.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::{
    problem::Problem,
    problem_type::ProblemType,
    responses::{Responses, problems},
};
use crate::{
    model::{Product, ShopError},
    shop::moment,
    web::AppState,
};

/// A product with its sale and its stock.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Product)]
pub struct ProductJson {
    #[schema(example = 1)]
    id: i64,
    /// The name in the address of its page, `/products/{slug}`.
    #[schema(example = "flash-sale-smartphone")]
    slug: String,
    name: String,
    category: String,
    price_cents: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
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
    /// Units that can be bought now.
    available: i64,
    /// Units in checkouts that are not paid yet.
    reserved: i64,
    sold: i64,
    /// `available` + `reserved` + `sold`.
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

/// Problems of the list of products.
pub struct ListProblems;

impl IntoResponses for ListProblems {
    fn responses() -> Responses {
        problems(&[&[ProblemType::Unavailable]])
    }
}

/// Problems of one product.
pub struct ProductProblems;

impl IntoResponses for ProductProblems {
    fn responses() -> Responses {
        problems(&[&[ProblemType::UnknownProduct, ProblemType::Unavailable]])
    }
}

/// All products of the shop.
///
/// With their sales and their stock. What all callers share is read at most a few times a second,
/// so a number may be that much older than a purchase.
#[utoipa::path(
    get,
    path = "/api/products",
    operation_id = "listProducts",
    tag = "Products",
    responses(
        (status = 200, description = "The products", body = Vec<ProductJson>),
        ListProblems
    )
)]
pub async fn list(State(state): State<AppState>) -> Result<Json<Vec<ProductJson>>, Problem> {
    let products = state.catalog.products().await?;
    Ok(Json(products.into_iter().map(ProductJson::from).collect()))
}

/// One product, with its sale and its stock.
#[utoipa::path(
    get,
    path = "/api/products/{id}",
    operation_id = "getProduct",
    tag = "Products",
    params(("id" = i64, Path, description = "The product's id", example = 1)),
    responses(
        (status = 200, description = "The product", body = ProductJson),
        ProductProblems
    )
)]
pub async fn one(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ProductJson>, Problem> {
    let Path(id) = id.map_err(|_| ShopError::UnknownProduct)?;
    let id = id.parse().map_err(|_| ShopError::UnknownProduct)?;
    Ok(Json(state.catalog.product_by_id(id).await?.into()))
}
