//! The endpoint of all forms: it removes invisible characters from their fields, runs server
//! functions, and returns errors to programs as problems.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use leptos::prelude::provide_context;
use leptos_axum::handle_server_fns_with_context;
use url::form_urlencoded;

use super::{
    AppState, json::problem::Problem, request_body, request_path::path_of, security::BODY_BYTES_MAX,
};
use crate::model::{ShopError, text::clean_lines};

/// Runs the server function at the request's path. A browser gets a redirect; a program gets an
/// error as problem details.
pub async fn handle_form(state: AppState, request: Request) -> Response {
    if !is_form(path_of(request.uri())) {
        return Problem(ShopError::UnknownPage).into_response();
    }
    let request = match without_invisible_characters(request).await {
        Ok(request) => request,
        Err(error) => return Problem(error).into_response(),
    };
    let response = handle_server_fns_with_context(move || provide_context(state.clone()), request)
        .await
        .into_response();
    if is_error_redirect(&response) {
        return Problem(ShopError::Malformed(
            "the form does not have the expected fields".to_owned(),
        ))
        .into_response();
    }
    if response.status().is_client_error() || response.status().is_server_error() {
        return as_problem(response).await;
    }
    response
}

/// Removes what nobody sees from every field of every form; see [`clean_lines`]. A password is kept
/// as it was typed.
async fn without_invisible_characters(request: Request) -> Result<Request, ShopError> {
    let (mut parts, body) = request.into_parts();
    let body = request_body::read(body, BODY_BYTES_MAX).await?;
    let mut cleaned = form_urlencoded::Serializer::new(String::with_capacity(body.len()));
    for (name, value) in form_urlencoded::parse(&body) {
        if name == "password" {
            cleaned.append_pair(&name, &value);
        } else {
            cleaned.append_pair(&name, &clean_lines(&value));
        }
    }
    let body = cleaned.finish();
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Returns true if the form's fields did not match the server function.
///
/// Leptos then does not call the function; it redirects to the `Referer`, with the error in the
/// URL.
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
