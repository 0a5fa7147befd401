//! `POST /api/purchase`: an express purchase over HTTP.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::HeaderMap,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::Problem;
use crate::{
    model::{Quantity, ShopError},
    shop::{idempotency::Claim, inventory::PurchaseRequest},
    web::{AppState, client_address::client_address, security},
};

/// `?strategy=…`
#[derive(Debug, Deserialize)]
pub struct Options {
    strategy: Option<String>,
}

/// The response to a successful purchase.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseJson {
    message: &'static str,
    remaining_stock: Option<i64>,
    order_id: String,
}

/// `POST /api/purchase` with `{"productId": 1, "quantity": 1}` and, if the caller may retry, an
/// `Idempotency-Key` header.
pub async fn purchase(
    State(state): State<AppState>,
    options: Result<Query<Options>, QueryRejection>,
    request: Request,
) -> Result<Json<PurchaseJson>, Problem> {
    let Query(options) = options.map_err(|error| ShopError::Malformed(error.to_string()))?;
    let (parts, body) = request.into_parts();
    let address = client_address(&parts.headers, &parts.extensions, &state.trusted_proxies);
    state.limits.check_purchase(address)?;
    let strategy = match options.strategy {
        Some(key) => key.parse()?,
        None => state.shop.terms().strategy,
    };
    // `security::check_body` has already read the body and checked its size.
    let body = axum::body::to_bytes(body, security::BODY_BYTES_MAX)
        .await
        .map_err(|error| ShopError::Malformed(error.to_string()))?;
    let (product_id, quantity) = read_body(&parts.headers, &body)?;
    let claim = read_claim(&parts.headers, product_id, quantity)?;
    let outcome = state
        .shop
        .purchase(
            strategy,
            PurchaseRequest {
                product_id,
                quantity,
                claim,
                lane_id: None,
            },
        )
        .await;
    let receipt = outcome.result?;
    Ok(Json(PurchaseJson {
        message: "Purchase successful",
        remaining_stock: receipt.remaining_stock,
        order_id: receipt.order_id,
    }))
}

/// Parses the body. Invalid JSON is a 400; valid JSON with invalid fields is a 422.
fn read_body(headers: &HeaderMap, body: &Bytes) -> Result<(i64, Quantity), ShopError> {
    if !security::has_media_type(headers, "application/json") {
        return Err(ShopError::WrongContentType {
            expected: "application/json".to_owned(),
        });
    }
    let json: Value =
        serde_json::from_slice(body).map_err(|error| ShopError::Malformed(error.to_string()))?;
    let Value::Object(fields) = json else {
        return Err(ShopError::Invalid("the body must be an object".to_owned()));
    };
    let product_id = fields
        .get("productId")
        .and_then(Value::as_i64)
        .ok_or_else(|| ShopError::Invalid("productId must be a whole number".to_owned()))?;
    let quantity = match fields.get("quantity") {
        Some(quantity) => Quantity::new(quantity.as_i64().ok_or(ShopError::QuantityInvalid)?)?,
        None => Quantity::ONE,
    };
    Ok((product_id, quantity))
}

fn read_claim(
    headers: &HeaderMap,
    product_id: i64,
    quantity: Quantity,
) -> Result<Option<Claim>, ShopError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().map_err(|_| ShopError::IdempotencyKeyInvalid)?;
    let parts = [product_id.to_string(), quantity.to_string()];
    Claim::new(key, "purchase", &[&parts[0], &parts[1]]).map(Some)
}
