//! Which paths are the administrator's, limits for request bodies, session cookies and security
//! headers.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_sessions::{
    Expiry, SessionManagerLayer,
    cookie::{SameSite, time::Duration},
};

use super::{
    AppState, cookies::Cookie, json::problem::Problem, request_body, request_path::path_of,
};
use crate::{db::session_store::DbSessionStore, model::ShopError};

/// Maximum size of a request body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// A session expires this long after its last change.
const SESSION_TTL: Duration = Duration::days(30);
/// Path prefix of all forms.
pub const FORM_PREFIX: &str = "/api/form/";

/// Builds the session layer. Scripts cannot read its cookie; over https, only this host can set it.
pub fn sessions(state: &AppState) -> SessionManagerLayer<DbSessionStore> {
    SessionManagerLayer::new(state.sessions.clone())
        .with_name(Cookie::Session.name(state.secure))
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(state.secure)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(SESSION_TTL))
}

/// Returns true if only the administrator may request `path`. The same rule applies to pages, forms
/// and event streams.
pub fn is_admin_only(path: &str) -> bool {
    let below = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // The incident guide is the same for all, and is needed while no session can be read.
    let open = matches!(
        path,
        "/admin/login" | "/api/form/admin/login" | "/admin/health/guide"
    );
    !open
        && [
            "/admin",
            "/api/form/admin",
            "/live/simulations",
            "/live/steppers",
            "/metrics",
        ]
        .into_iter()
        .any(below)
}

/// Returns true if a browser sent the request for a page, or from a form of a page.
pub fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// Reads the whole body and rejects it if it is too large, incomplete or damaged, or if it is a
/// form and has the wrong media type.
pub async fn check_body(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    // Another method is not allowed there, whatever it sends.
    let is_form =
        *request.method() == Method::POST && path_of(request.uri()).starts_with(FORM_PREFIX);
    if is_form && !has_media_type(request.headers(), "application/x-www-form-urlencoded") {
        return Problem(ShopError::WrongContentType {
            expected: "application/x-www-form-urlencoded".to_owned(),
        })
        .into_response();
    }
    let (parts, body) = request.into_parts();
    match request_body::read(body, BODY_BYTES_MAX).await {
        Ok(bytes) => {
            next.run(Request::from_parts(parts, Body::from(bytes)))
                .await
        }
        Err(error) => {
            let mut response = Problem(error).into_response();
            // The rest of the body could not be distinguished from the next request.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
            response
        }
    }
}

/// Returns true if `Content-Type` names this media type, with any parameters.
pub fn has_media_type(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(expected))
}

/// Returns the content security policy of a page whose inline scripts have `nonce`.
pub fn content_security_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Sets the security headers of every response. See [`set_headers`].
pub async fn headers(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    set_headers(response.headers_mut(), state.secure);
    response
}

/// Sets the security headers of a response. A page has already set its own content security policy;
/// every other response may load nothing. `is_secure` is true if browsers connect over https.
pub fn set_headers(headers: &mut HeaderMap, is_secure: bool) {
    const STRICT: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    const FIXED: [(HeaderName, HeaderValue); 3] = [
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(STRICT);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // Forms without JavaScript need the page that they were sent from. Other sites do not. A page
    // whose address is a secret has already set a stricter policy.
    headers
        .entry(header::REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("same-origin"));
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    if is_secure {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_paths_are_recognized_by_their_prefix() {
        for path in [
            "/admin",
            "/admin/",
            "/admin/simulations/1",
            "/admin/health",
            "/admin/health/guide/x",
            "/api/form/admin/simulate",
            "/live/simulations/1",
            "/metrics",
        ] {
            assert!(is_admin_only(path), "{path}");
        }
        for path in [
            "/",
            "/admin/login",
            "/admin/health/guide",
            "/administrator",
            "/api/form/admin/login",
            "/live/stock",
        ] {
            assert!(!is_admin_only(path), "{path}");
        }
    }
}
