//! `GET /api/openapi.json`: the description of everything below `/api`, as an OpenAPI 3.1 document.
//!
//! `web::api_routes` makes the document from the handlers. It reaches those who show it as an
//! extension of the request, because pages cannot depend on the table of routes.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::health::SimpleProblems;

/// The document, for readers and as it is sent.
#[derive(Clone, Debug)]
pub struct ApiDocument {
    value: Arc<Value>,
    text: Bytes,
}

impl ApiDocument {
    /// Writes a description.
    pub fn new(description: &OpenApi) -> Self {
        match (
            serde_json::to_value(description),
            serde_json::to_vec(description),
        ) {
            (Ok(value), Ok(text)) => Self {
                value: value.into(),
                text: text.into(),
            },
            // All its keys are texts, which the types do not say.
            _ => unreachable!("an OpenAPI document can be written as JSON"),
        }
    }

    /// The document as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// This document.
///
/// OpenAPI 3.1, made from the server's own handlers.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "getDocument",
    tag = "Server",
    responses(
        (status = 200, description = "The document", body = Value),
        SimpleProblems
    )
)]
pub async fn document(Extension(document): Extension<ApiDocument>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, document.text).into_response()
}
