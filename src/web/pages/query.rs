//! The query of a page's address.

use axum::http::request::Parts;
use leptos::prelude::use_context;

/// Returns the first value of a parameter; empty without one. The router would decode a value
/// twice, and a search for `50%20` would be one for `50`.
pub fn parameter(name: &str) -> String {
    let parts = use_context::<Parts>();
    let query = parts.as_ref().and_then(|parts| parts.uri.query());
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
