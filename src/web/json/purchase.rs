//! `POST /api/purchase`: an express purchase over HTTP.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::HeaderMap,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_sessions::Session;

use super::problem::Problem;
use crate::{
    model::{Quantity, ShopError},
    shop::{
        idempotency::{Claim, Key},
        inventory::PurchaseRequest,
    },
    simulation::run_secret::BUYER_HEADER,
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
///
/// A buyer of a simulation run sends the token of its run as well, and buys from its lane. All
/// other callers are unknown: they buy only products of the shop that have no limit per customer,
/// and only if the shop sells by express purchase.
pub async fn purchase(
    State(state): State<AppState>,
    session: Session,
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
    let lane_id = lane_of_buyer(&state, &parts.headers, product_id).await?;
    if lane_id.is_none() && !state.sells_by_express {
        return Err(ShopError::ExpressPurchaseOff.into());
    }
    let key = read_key(&parts.headers, lane_id, &session)?;
    let of_product = [product_id.to_string(), quantity.to_string()];
    let claim = key.map(|key| Claim::new(key, "purchase", &[&of_product[0], &of_product[1]]));
    let outcome = state
        .shop
        .purchase(
            strategy,
            PurchaseRequest {
                product_id,
                quantity,
                claim,
                lane_id,
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

/// Returns the lane of the product if the request carries the token of its run.
async fn lane_of_buyer(
    state: &AppState,
    headers: &HeaderMap,
    product_id: i64,
) -> Result<Option<i64>, ShopError> {
    let token = headers
        .get(BUYER_HEADER)
        .and_then(|token| token.to_str().ok());
    match token {
        Some(token) => {
            let buyers = state.engine.buyers();
            buyers.lane(state.shop.db(), token, product_id).await
        }
        None => Ok(None),
    }
}

/// Reads the idempotency key, which belongs to its sender as far as the sender is known.
fn read_key(
    headers: &HeaderMap,
    lane_id: Option<i64>,
    session: &Session,
) -> Result<Option<Key>, ShopError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().map_err(|_| ShopError::IdempotencyKeyInvalid)?;
    let key = match (lane_id, session.id()) {
        (Some(_), _) => Key::of_buyer(key),
        (None, Some(session_id)) => Key::of_session(&session_id.to_string(), key),
        (None, None) => Key::of_unknown_caller(key),
    };
    key.map(Some)
}
