//! The path of a request: the only module that reads it from the URI.
//!
//! axum compares the path as it was sent. Leptos first resolves dot segments and turns backslashes
//! into slashes, so `/x/../admin` is no path of the administrator for the one, and the
//! administrator's page for the other. A request whose path can be read in two ways is therefore
//! refused before any router sees it, and everything behind [`refuse_ambiguous`] reads the same
//! path.

use axum::{
    extract::Request,
    http::Uri,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::json::problem::Problem;
use crate::model::ShopError;

/// Characters that may not be percent-encoded in a path, with their codes: dot, slash, backslash.
const PLAIN_ONLY: [&str; 3] = ["2e", "2f", "5c"];

/// Returns the path of a request that [`refuse_ambiguous`] has let pass.
pub fn path_of(uri: &Uri) -> &str {
    uri.path()
}

/// Returns the path and the query of a request that [`refuse_ambiguous`] has let pass.
pub fn address_of(uri: &Uri) -> String {
    match uri.query() {
        Some(query) => format!("{}?{query}", path_of(uri)),
        None => path_of(uri).to_owned(),
    }
}

/// Answers 400 to a request without a path (`OPTIONS *`, `CONNECT host:1`), and to one whose path
/// contains a dot segment, a backslash, or a percent-encoded dot, slash or backslash.
pub async fn refuse_ambiguous(request: Request, next: Next) -> Response {
    match ambiguity(path_of(request.uri())) {
        None => next.run(request).await,
        Some(reason) => Problem(ShopError::Malformed(reason.to_owned())).into_response(),
    }
}

/// Returns what is wrong with the path of a request.
fn ambiguity(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("its address has no path that begins with /");
    }
    if path.contains('\\') || path.split('%').skip(1).any(is_encoded_separator) {
        return Some("its path contains a backslash, or an encoded dot, slash or backslash");
    }
    path.split('/')
        .any(|segment| matches!(segment, "." | ".."))
        .then_some("its path contains the segment . or ..")
}

/// Returns true if the text after a percent sign begins with the code of a separator.
fn is_encoded_separator(after_percent: &str) -> bool {
    after_percent.get(..2).is_some_and(|code| {
        PLAIN_ONLY
            .iter()
            .any(|plain| plain.eq_ignore_ascii_case(code))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_can_be_read_in_one_way_pass() {
        for path in [
            "/",
            "/admin/",
            "/a..b/...",
            "/admin/simulations/1/export.csv",
            "/products/caf%C3%A9%20noir",
            "/products/a%00b",
            "/products/%252e",
            "/products/100%",
            "/products/%é",
        ] {
            assert_eq!(ambiguity(path), None, "{path}");
        }
        for path in [
            "",
            "*",
            "foo",
            "/.",
            "/./admin/stock",
            "/x/../admin",
            "/x/..",
            "/%2e/admin",
            "/x/%2E%2e/admin",
            "/.%2e/admin",
            "/admin%2Fstock",
            "/admin\\stock",
            "/x\\..\\admin",
            "/x%5c..%5Cadmin",
        ] {
            assert!(ambiguity(path).is_some(), "{path}");
        }
    }
}
