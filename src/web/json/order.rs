//! `GET /api/orders/{publicId}`: an order, for anyone who has its link. It contains neither name
//! nor address.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::{
    path_text::PathText,
    problem::Problem,
    problem_type::ProblemType,
    queued::QueuedOrderJson,
    responses::{Responses, problems},
};
use crate::{
    model::{OrderView, ShopError},
    shop::queue::OrderState,
    web::AppState,
};

/// An order, without its contact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub struct OrderJson {
    /// The public id.
    #[schema(format = "uuid")]
    id: String,
    /// The short number that people quote.
    #[schema(example = "DB-000042")]
    number: String,
    /// `placed`, `pending`, `declined`, `paid`, `backordered` or `cancelled`.
    #[schema(example = "paid")]
    status: &'static str,
    /// `no_stock`, `shop` or `wrong_amount`, if it is cancelled.
    cancel_reason: Option<&'static str>,
    lines: Vec<OrderLineJson>,
    /// The sum of the lines, minus the discount, plus the delivery; it includes the tax.
    total_cents: i64,
    /// The sum of all refunds, pending and done.
    refunded_cents: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
}

/// One line of an order, with name and price at the time of sale.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderLine)]
pub struct OrderLineJson {
    /// As in `/api/products/{id}`.
    product_id: i64,
    /// The name in the address of the product's page, `/products/{slug}`.
    product_slug: String,
    product_name: String,
    unit_price_cents: i64,
    quantity: u32,
    amount_cents: i64,
    /// Units returned to stock.
    returned: u32,
}

impl From<OrderView> for OrderJson {
    fn from(order: OrderView) -> Self {
        Self {
            refunded_cents: order.refunded_cents(),
            id: order.public_id,
            number: order.number,
            status: order.status.as_str(),
            cancel_reason: order.cancel_reason.map(|reason| reason.as_str()),
            lines: order
                .lines
                .into_iter()
                .map(|line| OrderLineJson {
                    product_id: line.product_id,
                    product_slug: line.product_slug,
                    product_name: line.product_name,
                    unit_price_cents: line.unit_price.cents,
                    quantity: line.quantity.get(),
                    amount_cents: line.amount.cents,
                    returned: line.returned,
                })
                .collect(),
            total_cents: order.bill.total.cents,
            currency: order.bill.total.currency.into(),
        }
    }
}

/// Problems of an order, and those for which a queued order is rejected.
pub struct OrderProblems;

impl IntoResponses for OrderProblems {
    fn responses() -> Responses {
        let own = [
            ProblemType::UnknownOrder,
            ProblemType::OutcomeUnknown,
            ProblemType::Unavailable,
        ];
        let refused = [
            ProblemType::StrategyNotAllowed,
            ProblemType::UnknownProduct,
            ProblemType::InsufficientStock,
            ProblemType::OverCustomerLimit,
            ProblemType::LimitedPerCustomer,
            ProblemType::SaleNotStarted,
            ProblemType::SaleEnded,
            ProblemType::IdempotencyKeyReused,
            ProblemType::InvalidState,
            ProblemType::Invalid,
        ];
        problems(&[&own, &refused])
    }
}

/// One order.
///
/// Its public id, which a purchase returns, is the permission to read it. It contains neither name
/// nor address. An order that waits in the queue is 202, and one that was rejected is the
/// problem that the purchase would have had.
#[utoipa::path(
    get,
    path = "/api/orders/{publicId}",
    operation_id = "getOrder",
    tag = "Purchases",
    params((
        "publicId" = String,
        Path,
        description = "The order's public id",
        format = "uuid"
    )),
    responses(
        (
            status = 200,
            description = "The order. It has another id if the purchase was sold while the queue did \
                           not answer",
            body = OrderJson
        ),
        (
            status = 202,
            description = "It waits in the queue",
            body = QueuedOrderJson,
            headers(
                ("Location" = String, description = "This address."),
                ("Retry-After" = u64, description = "Seconds after which to ask again.")
            )
        ),
        OrderProblems
    )
)]
pub async fn one(
    State(state): State<AppState>,
    public_id: Result<PathText, Problem>,
) -> Result<Response, Problem> {
    let PathText(public_id) = public_id.map_err(|_| ShopError::UnknownOrder)?;
    Ok(match state.shop.queue().follow(&public_id).await? {
        OrderState::Written(order) => Json(OrderJson::from(*order)).into_response(),
        OrderState::Waiting { ahead } => QueuedOrderJson::queued(public_id, ahead).into_response(),
        OrderState::Held => QueuedOrderJson::held(public_id).into_response(),
    })
}
