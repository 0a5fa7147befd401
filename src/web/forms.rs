//! The endpoint of all forms: it removes invisible characters from their fields, runs server
//! functions, and returns errors to programs as problems.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::provide_context;
use leptos_axum::handle_server_fns_with_context;
use tracing::Instrument;
use url::form_urlencoded;

use super::{
    AppState,
    json::problem::Problem,
    request_path::path_of,
    security::{BODY_BYTES_MAX, FORM_PREFIX, accepts_html},
    sent_form::SentForm,
    session::cookies_page,
    visitor::SentCookies,
};
use crate::{
    model::{ShopError, text::clean_lines},
    telemetry::spans,
};

/// Runs the server function at the request's path. A browser gets a redirect; a program gets an
/// error as problem details.
pub async fn handle_form(state: AppState, request: Request) -> Response {
    if !is_form(path_of(request.uri())) {
        return Problem(ShopError::UnknownPage).into_response();
    }
    let request = match with_sent_form(request).await {
        Ok(request) => request,
        Err(response) => return response,
    };
    let span = spans::server_function(path_of(request.uri()));
    let response = handle_server_fns_with_context(move || provide_context(state.clone()), request)
        .instrument(span)
        .await
        .into_response();
    let status = response.status();
    if is_error_redirect(&response) || status.is_client_error() || status.is_server_error() {
        return as_problem(response).await;
    }
    response
}

/// Cleans the fields of the form, and adds to the request what it says about its page. A form that
/// needs a cookie, from a browser that blocks cookies, is answered here: no shopper could pay for
/// what it would reserve.
async fn with_sent_form(request: Request) -> Result<Request, Response> {
    let (mut parts, body) = request.into_parts();
    // The layer in front has read and checked the body.
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return Err(Problem(ShopError::BodyUnfinished).into_response());
    };
    let form = SentForm::read(&body);
    let cookies = parts.extensions.get::<SentCookies>();
    let are_blocked = cookies.is_some_and(|cookies| cookies.are_blocked(&form));
    if are_blocked && needs_cookie(path_of(&parts.uri)) {
        let page = form.page.unwrap_or_default();
        return Err(if accepts_html(&parts.headers) {
            Redirect::to(&cookies_page(&page)).into_response()
        } else {
            Problem(ShopError::CookiesBlocked).into_response()
        });
    }
    parts.extensions.insert(form);
    let body = without_invisible_characters(&body);
    let length = HeaderValue::from(body.len());
    parts.headers.insert(header::CONTENT_LENGTH, length);
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Removes invisible characters from every field of a form; see [`clean_lines`]. A password is kept
/// as it was typed.
fn without_invisible_characters(body: &[u8]) -> String {
    let mut cleaned = form_urlencoded::Serializer::new(String::with_capacity(body.len()));
    for (name, value) in form_urlencoded::parse(body) {
        if name == "password" {
            cleaned.append_pair(&name, &value);
        } else {
            cleaned.append_pair(&name, &clean_lines(&value));
        }
    }
    cleaned.finish()
}

/// Returns true if a form leads to nothing without a cart or a sign-in. Finding an order needs
/// neither.
fn needs_cookie(path: &str) -> bool {
    ["cart/", "checkout/", "admin/"].iter().any(|forms| {
        let form = path.strip_prefix(FORM_PREFIX);
        form.is_some_and(|form| form.starts_with(forms))
    })
}

/// Returns true if Leptos has redirected a browser to the `Referer`, with the error in the URL: the
/// form's fields did not match the server function, or the function did not redirect.
fn is_error_redirect(response: &Response) -> bool {
    response
        .headers()
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .is_some_and(|location| location.contains("__err="))
}

fn is_form(path: &str) -> bool {
    leptos::server_fn::axum::server_fn_paths()
        .any(|(form, method)| form == path && method == Method::POST)
}

/// Converts an error response of Leptos, which has its own JSON format, to problem details.
async fn as_problem(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let error = to_bytes(body, BODY_BYTES_MAX)
        .await
        .ok()
        .and_then(|body| serde_json::from_slice::<ShopError>(&body).ok());
    let error = error.unwrap_or_else(|| ShopError::Malformed(parts.status.to_string()));
    Problem(error).into_response()
}
