//! `GET /api/products` and `GET /api/products/{id}`: the catalogue with available stock.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use serde::Serialize;

use super::problem::Problem;
use crate::{
    model::{Product, ShopError},
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
    available: i64,
}

impl From<Product> for ProductJson {
    fn from(product: Product) -> Self {
        Self {
            id: product.id,
            slug: product.slug,
            name: product.name,
            category: product.category,
            price_cents: product.price.cents,
            currency: product.price.currency.into(),
            available: product.available,
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
