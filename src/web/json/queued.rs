//! An order that waits in the queue, as `202 Accepted`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds after which the client may ask again.
const ASK_AGAIN_S: u64 = 1;

/// An order that is accepted and not written yet. It may still be rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueuedOrder)]
pub struct QueuedOrderJson {
    /// The public id that the order will have. Follow it at `/api/orders/{orderId}`, or on the page
    /// `/orders/{orderId}`.
    #[schema(format = "uuid")]
    order_id: String,
    /// `queued`, or `held` if the shop could not write the order and looks into it.
    #[schema(example = "queued")]
    status: &'static str,
    /// The orders in front of it, by the server's latest count.
    #[schema(example = 42)]
    ahead: Option<u64>,
}

impl QueuedOrderJson {
    /// An order behind so many others.
    pub fn queued(order_id: String, ahead: Option<u64>) -> Self {
        Self {
            order_id,
            status: "queued",
            ahead,
        }
    }

    /// An order about which an administrator decides.
    pub fn held(order_id: String) -> Self {
        Self {
            order_id,
            status: "held",
            ahead: None,
        }
    }
}

impl IntoResponse for QueuedOrderJson {
    fn into_response(self) -> Response {
        let location = format!("/api/orders/{}", self.order_id);
        let mut response = (StatusCode::ACCEPTED, Json(self)).into_response();
        let headers = response.headers_mut();
        // The id is a UUID, so its address is a valid header.
        if let Ok(location) = HeaderValue::try_from(location) {
            headers.insert(header::LOCATION, location);
        }
        headers.insert(header::RETRY_AFTER, HeaderValue::from(ASK_AGAIN_S));
        response
    }
}
