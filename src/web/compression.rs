//! Compresses documents that contain nothing secret.
//!
//! The size of a compressed document depends on how often its parts repeat. If it contains a secret
//! that stays the same, and a text that another site can choose, that site can make a browser
//! request it many times and guess the secret from the sizes (BREACH). So this layer compresses
//! only documents that it knows to be free of secrets, by their path, and never one with a form
//! that posts, which has a key, or with a cookie. Pages of shoppers, carts, orders and forms are
//! sent as they are. The nonce of a page's policy is another one in each response, so it cannot be
//! guessed.

use std::io::Write;

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};

use super::{json::problem::Problem, request_path::path_of};
use crate::model::ShopError;

/// Shorter documents are not compressed, in bytes.
const BYTES_MIN: usize = 1_024;
/// Media types of documents that become much smaller.
const MEDIA_TYPES: [&str; 5] = [
    "text/html",
    "text/csv",
    "text/event-stream",
    "application/json",
    "image/svg+xml",
];
/// Beginnings of the paths of documents without secrets: runs, strategies, products. The document
/// of the API is the same for all, and `json::openapi` compresses it once.
const OPEN: [&str; 5] = [
    "/present/",
    "/live/present/",
    "/live/simulations/",
    "/admin/strategies/",
    "/api/products",
];

/// Returns true if the document at `path` contains nothing secret. The pages and files of a run
/// (`/admin/simulations/{id}/…`) do not; the page of the run itself has forms.
fn is_open(path: &str) -> bool {
    let of_run = path
        .strip_prefix("/admin/simulations/")
        .is_some_and(|rest| rest.contains('/'));
    of_run || OPEN.iter().any(|open| path.starts_with(open))
}

/// Compresses the response if its document is open and the client accepts gzip, which browsers also
/// offer without https.
pub async fn compress_documents(request: Request, next: Next) -> Response {
    let is_open = request.method() == Method::GET && is_open(path_of(request.uri()));
    let is_accepted = accepts(request.headers(), "gzip");
    let mut response = next.run(request).await;
    if !is_open || !is_document(&response) {
        return response;
    }
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_accepted {
        compress(response).await
    } else {
        response
    }
}

/// Returns true if a client accepts this content coding.
pub fn accepts(request: &HeaderMap, coding: &str) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offered| {
            let mut parts = offered.split(';').map(str::trim);
            parts.next() == Some(coding) && !parts.any(|weight| weight == "q=0")
        })
}

/// An event stream is a document if it is complete: a live one has no known size.
fn is_document(response: &Response) -> bool {
    let headers = response.headers();
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    let is_live =
        media_type == "text/event-stream" && response.body().size_hint().exact().is_none();
    response.status() == StatusCode::OK
        && MEDIA_TYPES.contains(&media_type)
        && !is_live
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::SET_COOKIE)
}

async fn compress(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(plain) = to_bytes(body, usize::MAX).await else {
        tracing::error!("a document ended early");
        return Problem(ShopError::Internal {
            incident: "document-ended".to_owned(),
        })
        .into_response();
    };
    if plain.len() < BYTES_MIN || has_form(&plain) {
        return Response::from_parts(parts, Body::from(plain));
    }
    let document = plain.clone();
    match tokio::task::spawn_blocking(move || gzip(&document)).await {
        Ok(Ok(compressed)) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts
                .headers
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(parts, Body::from(compressed))
        }
        _ => Response::from_parts(parts, Body::from(plain)),
    }
}

fn has_form(document: &Bytes) -> bool {
    const FORM: &[u8] = b"method=\"post\"";
    document.windows(FORM.len()).any(|part| part == FORM)
}

/// Compresses a document.
pub fn gzip(document: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(document)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_runs_and_strategies_are_open_and_pages_of_shoppers_are_not() {
        for path in [
            "/present/1",
            "/live/simulations/1",
            "/admin/simulations/1/samples",
            "/admin/simulations/1/export.json",
            "/admin/strategies/row-lock",
            "/api/products",
            "/api/products/7",
        ] {
            assert!(is_open(path), "{path}");
        }
        for path in [
            "/",
            "/cart",
            "/checkout",
            "/orders/1",
            "/products/lamp",
            "/live/orders/1",
            "/admin",
            "/admin/orders/1",
            "/admin/simulations",
            "/admin/simulations/1",
            "/admin/stepper/1",
        ] {
            assert!(!is_open(path), "{path}");
        }
    }

    #[test]
    fn a_coding_is_accepted_unless_its_weight_is_zero() {
        let mut headers = HeaderMap::new();
        assert!(!accepts(&headers, "gzip"));
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("deflate, gzip;q=0.8, br;q=0"),
        );
        assert!(accepts(&headers, "gzip") && !accepts(&headers, "br"));
    }
}
