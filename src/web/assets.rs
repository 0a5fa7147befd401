//! Static files, embedded in the binary.
//!
//! Every URL contains the release's name, so clients may cache a file for a year: another release
//! has other URLs.

use axum::{
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{compression::accepts, json::problem::Problem};
use crate::model::ShopError;

/// An embedded file.
pub struct Asset {
    pub path: &'static str,
    pub content_type: &'static str,
    pub plain: &'static [u8],
    /// The file compressed at build time, if that is smaller.
    pub brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For a URL of another release, which clients request during a rolling deployment.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// Returns the URL of a file.
pub fn href(path: &str) -> String {
    format!("/assets/{RELEASE}/{path}")
}

fn find(path: &str) -> Option<&'static Asset> {
    // build.rs sorts the table by path.
    ASSETS
        .binary_search_by(|asset| asset.path.cmp(path))
        .ok()
        .map(|index| &ASSETS[index])
}

/// Returns the script and the WebAssembly file of a bundle. `cargo leptos` builds one bundle for
/// all pages, named `doorbuster`.
pub fn bundle(name: &str) -> Option<(String, String)> {
    [name, "doorbuster"].iter().find_map(|name| {
        let module = format!("pkg/{name}.js");
        let wasm = [format!("pkg/{name}_bg.wasm"), format!("pkg/{name}.wasm")];
        let wasm = wasm.into_iter().find(|path| find(path).is_some())?;
        find(&module).map(|_| (module, wasm))
    })
}

/// `GET /favicon.ico`, which browsers and crawlers request at this address. Its content may change
/// with a release, so it is not kept for long.
pub async fn favicon() -> Response {
    let Some(icon) = find("favicon.ico") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, icon.content_type),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::ETAG, ETAG),
    ];
    (headers, icon.plain).into_response()
}

/// `GET /assets/{release}/{*path}`
pub async fn serve(
    address: Result<Path<(String, String)>, PathRejection>,
    request: HeaderMap,
) -> Response {
    let Ok(Path((release, path))) = address else {
        return Problem(ShopError::UnknownPage).into_response();
    };
    let Some(asset) = find(&path) else {
        return Problem(ShopError::UnknownPage).into_response();
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(asset.content_type),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(
        header::CACHE_CONTROL,
        if release == RELEASE {
            IMMUTABLE
        } else {
            REVALIDATE
        },
    );
    headers.insert(header::ETAG, HeaderValue::from_static(ETAG));
    if request.get(header::IF_NONE_MATCH) == headers.get(header::ETAG) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    match asset.brotli.filter(|_| accepts(&request, "br")) {
        Some(compressed) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            (headers, compressed).into_response()
        }
        None => (headers, asset.plain).into_response(),
    }
}
