//! Where forms post to: the server functions, and what they answer to a caller who is no browser.

use axum::{
    body::to_bytes,
    extract::Request,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use leptos::prelude::provide_context;
use leptos_axum::handle_server_fns_with_context;

use super::{AppState, json::problem::Problem, security::BODY_BYTES_MAX};
use crate::model::ShopError;

/// Runs the server function at the request's path. A browser is led on by it; anybody else reads a refusal as a problem.
pub async fn answer(state: AppState, request: Request) -> Response {
    if !is_form(request.uri().path()) {
        return Problem(ShopError::UnknownPage).into_response();
    }
    let response = handle_server_fns_with_context(move || provide_context(state.clone()), request)
        .await
        .into_response();
    if leads_on_with_error(&response) {
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

/// A form that does not have its function's shape never reaches it; the framework then leads back to wherever the browser says that it
/// came from, with the error in the address.
fn leads_on_with_error(response: &Response) -> bool {
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

/// The framework encodes the error as JSON of its own; the sentence is what a person would want to read.
async fn as_problem(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let error = to_bytes(body, BODY_BYTES_MAX)
        .await
        .ok()
        .and_then(|body| serde_json::from_slice::<ShopError>(&body).ok());
    let error = error.unwrap_or_else(|| ShopError::Malformed(parts.status.to_string()));
    Problem(error).into_response()
}
