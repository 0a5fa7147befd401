//! Error responses as RFC 9457 problem details.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::model::ShopError;

/// An error as a response. `detail` contains the sentence for people, and so does `error`: clients
/// that were written for other shops read `response.data.error`.
#[derive(Debug)]
pub struct Problem(pub ShopError);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let sentence = self.0.to_string();
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": sentence,
            "error": sentence,
        });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(retry_after_s) = self.0.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        response
    }
}

impl<E: Into<ShopError>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
