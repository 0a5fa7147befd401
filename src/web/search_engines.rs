//! What search engines may read and show: decided by the address of a page, before it is rendered.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{AppState, request_path::path_of};

/// Beginnings of addresses that a crawler should not request. A page that is not public also says
/// so itself, for crawlers that come all the same.
pub const DISALLOWED: [&str; 7] = [
    "/admin",
    "/api/",
    "/cart",
    "/checkout",
    "/live/",
    "/orders/",
    "/present/",
];

const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
const NOINDEX: HeaderValue = HeaderValue::from_static("noindex");

/// Returns true if search engines may show what is at `path`. All other addresses are private, also
/// those of pages that do not exist yet. The results of a search are not worth showing: they are
/// lists without an end.
pub fn is_public(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    matches!(
        segments.as_slice(),
        [""] | ["products" | "categories", _]
            | ["assets", _, ..]
            | ["favicon.ico" | "robots.txt" | "sitemap.xml"]
    )
}

/// Sets `X-Robots-Tag: noindex` on every private response and on every error.
pub async fn mark_private(request: Request, next: Next) -> Response {
    let is_public = is_public(path_of(request.uri()));
    let mut response = next.run(request).await;
    let status = response.status();
    if !is_public || status.is_client_error() || status.is_server_error() {
        forbid_indexing(response.headers_mut());
    }
    response
}

/// Sets `X-Robots-Tag: noindex`.
pub fn forbid_indexing(headers: &mut HeaderMap) {
    headers.insert(ROBOTS_TAG, NOINDEX);
}

/// `GET /robots.txt`
pub async fn robots_txt(State(state): State<AppState>) -> Response {
    let mut text = "User-agent: *\n".to_owned();
    for path in DISALLOWED {
        text.push_str(&format!("Disallow: {path}\n"));
    }
    text.push_str(&format!("\nSitemap: {}/sitemap.xml\n", state.public_url));
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_catalogue_and_its_files_are_public() {
        for path in [
            "/",
            "/products/lamp",
            "/products/lamp/",
            "/categories/k%C3%BCche",
            "/assets/0123/artwork/lamp.svg",
            "/favicon.ico",
            "/robots.txt",
            "/sitemap.xml",
        ] {
            assert!(is_public(path), "{path}");
        }
        for path in [
            "",
            "*",
            "/search",
            "/cart",
            "/checkout",
            "/orders/find",
            "/orders/1",
            "/admin",
            "/admin/login",
            "/present/1",
            "/live/stock",
            "/api/products",
            "/products",
            "/products/lamp/history",
            "/assets",
            "/a-page-of-tomorrow",
        ] {
            assert!(!is_public(path), "{path}");
        }
    }

    #[test]
    fn no_public_page_is_disallowed() {
        for path in ["/", "/products/cart", "/categories/admin", "/sitemap.xml"] {
            let is_disallowed = DISALLOWED.iter().any(|start| path.starts_with(start));
            assert!(!is_disallowed, "{path}");
        }
    }
}
