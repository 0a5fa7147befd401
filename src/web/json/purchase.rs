//! `POST /api/purchase`: an express purchase over HTTP.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_sessions::Session;
use utoipa::{
    IntoParams, IntoResponses, ToSchema,
    openapi::{
        ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::{
    problem::Problem,
    problem_type::ProblemType,
    queued::QueuedOrderJson,
    responses::{EVERY_CHANGE, Responses, problems},
};
use crate::{
    model::{Quantity, ShopError, StrategyKey},
    shop::{
        idempotency::{Claim, Key},
        inventory::{Accepted, PurchaseRequest},
    },
    simulation::run_secret::BUYER_HEADER,
    web::{AppState, client_address::client_address, security},
};

/// `?strategy=…`
#[derive(Debug, Deserialize)]
pub struct Options {
    strategy: Option<String>,
}

/// The parameters of a purchase, in the query and in headers.
pub struct PurchaseParams;

impl IntoParams for PurchaseParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let strategies = StrategyKey::ALL.map(StrategyKey::as_str);
        let key = text()
            .min_length(Some(16))
            .max_length(Some(100))
            .pattern(Some("^[A-Za-z0-9._:-]+$"));
        [
            (
                "strategy",
                ParameterIn::Query,
                text().enum_values(Some(strategies)),
                "The strategy that sells, instead of the shop's. Only a safe one may sell a product of the shop.",
            ),
            (
                "Idempotency-Key",
                ParameterIn::Header,
                key,
                "16 to 100 letters, digits, dots, colons, dashes or underscores. Use a random UUID.",
            ),
            (
                "Doorbuster-Buyer",
                ParameterIn::Header,
                text(),
                "The token of a simulation run, which only its buyers have.",
            ),
        ]
        .into_iter()
        .map(|(name, place, schema, description)| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(place)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(schema))
                .build()
        })
        .collect()
    }
}

// `read_body` reads the fields one by one, so that each error has its own sentence.
/// What to buy.
#[derive(Debug, ToSchema)]
#[schema(as = PurchaseRequest, rename_all = "camelCase")]
pub struct PurchaseRequestJson {
    #[schema(example = 1)]
    pub product_id: i64,
    /// 1 if it is absent.
    #[schema(
        minimum = 1,
        maximum = 1000,
        default = 1,
        example = 1,
        required = false
    )]
    pub quantity: u32,
}

/// The response to a successful purchase.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Purchase)]
pub struct PurchaseJson {
    #[schema(example = "Purchase successful")]
    message: &'static str,
    /// The units of the product that are left right after this purchase.
    remaining_stock: Option<i64>,
    /// The public id of the order, whose page is `/orders/{orderId}`.
    #[schema(format = "uuid")]
    order_id: String,
}

/// Problems of a purchase.
pub struct PurchaseProblems;

impl IntoResponses for PurchaseProblems {
    fn responses() -> Responses {
        let own = [
            ProblemType::StrategyNotAllowed,
            ProblemType::EngineNotSupported,
            ProblemType::RedisNeeded,
            ProblemType::ExpressPurchaseOff,
            ProblemType::UnknownProduct,
            ProblemType::InsufficientStock,
            ProblemType::LimitedPerCustomer,
            ProblemType::SaleNotStarted,
            ProblemType::SaleEnded,
            ProblemType::IdempotencyKeyReused,
            ProblemType::WrongContentType,
            ProblemType::QuantityInvalid,
            ProblemType::Invalid,
            ProblemType::IdempotencyKeyInvalid,
            ProblemType::StrategyUnknown,
            ProblemType::TooManyRequests,
            ProblemType::QueueFull,
            ProblemType::Unavailable,
        ];
        problems(&[EVERY_CHANGE, &own])
    }
}

/// Buys a product in one call.
///
/// An express purchase names no customer, so it sells only products that have no limit per
/// customer. It is paid on account. With an `Idempotency-Key`, a request may be sent again: the
/// same key and the same body have the same answer, and one order. A rejected purchase changes
/// nothing, and its key may be used again.
///
/// With the strategy `redis-stream`, the order is put into a queue, and the answer is 202 with its
/// place. Follow it at `Location`: it is bought when that answers 200. If it is rejected, that
/// address answers with the problem.
///
/// A buyer of a simulation run also sends the token of its run, in `Doorbuster-Buyer`, and buys
/// from its private lane.
#[utoipa::path(
    post,
    path = "/api/purchase",
    operation_id = "purchase",
    tag = "Purchases",
    params(PurchaseParams),
    request_body = PurchaseRequestJson,
    responses(
        (status = 200, description = "Bought", body = PurchaseJson),
        (
            status = 202,
            description = "Accepted, and not bought yet",
            body = QueuedOrderJson,
            headers(
                ("Location" = String, description = "Where to follow the order."),
                ("Retry-After" = u64, description = "Seconds after which to ask there.")
            )
        ),
        PurchaseProblems
    )
)]
pub async fn purchase(
    State(state): State<AppState>,
    session: Session,
    options: Result<Query<Options>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
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
        .accept(
            strategy,
            PurchaseRequest {
                product_id,
                quantity,
                claim,
                lane_id,
            },
        )
        .await;
    Ok(match outcome.result? {
        Accepted::Written(receipt) => Json(PurchaseJson {
            message: "Purchase successful",
            remaining_stock: receipt.remaining_stock,
            order_id: receipt.order_id,
        })
        .into_response(),
        Accepted::InQueue { order_id, ahead } => {
            QueuedOrderJson::queued(order_id.to_string(), Some(ahead)).into_response()
        }
    })
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
