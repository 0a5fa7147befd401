//! `GET /api/openapi.json`: the description of everything below `/api`, as an OpenAPI 3.1 document.
//!
//! `web::api_routes` makes the document from the handlers. It reaches those who show it as an
//! extension of the request, because pages cannot depend on the table of routes.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;

use super::health::SimpleProblems;
use crate::web::compression::{self, accepts};

/// Bytes of the hash in the entity tag.
const TAG_BYTES: usize = 8;

/// The document, for readers and as it is sent.
#[derive(Clone, Debug)]
pub struct ApiDocument {
    value: Arc<Value>,
    text: Bytes,
    gzip: Bytes,
    /// Weak, because it is the same for both forms.
    tag: HeaderValue,
}

impl ApiDocument {
    /// Writes a description, and compresses it once for all requests.
    pub fn new(description: &OpenApi) -> Self {
        match Self::written(description) {
            Some(document) => document,
            // All its keys are texts, and it is written to memory, which the types do not say.
            None => unreachable!("an OpenAPI document can be written as JSON"),
        }
    }

    fn written(description: &OpenApi) -> Option<Self> {
        let text = serde_json::to_vec(description).ok()?;
        let hash = hex::encode(&Sha256::digest(&text)[..TAG_BYTES]);
        Some(Self {
            value: Arc::new(serde_json::to_value(description).ok()?),
            gzip: compression::gzip(&text).ok()?.into(),
            tag: HeaderValue::try_from(format!("W/\"{hash}\"")).ok()?,
            text: text.into(),
        })
    }

    /// The document as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns true if the client has this document.
    fn is_known_to(&self, request: &HeaderMap) -> bool {
        request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|known| self.tag == known.trim())
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
        (status = 304, description = "The document still has the ETag of `If-None-Match`"),
        SimpleProblems
    )
)]
pub async fn document(Extension(document): Extension<ApiDocument>, request: HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, document.tag.clone());
    if document.is_known_to(&request) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if accepts(&request, "gzip") {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return (headers, document.gzip).into_response();
    }
    (headers, document.text).into_response()
}
