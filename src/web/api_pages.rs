//! The pages below `/api`: one to try the API, and one that explains the types of problems.

use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{AppState, document, json::health::SimpleProblems};

/// The page to try the API.
///
/// Made from the OpenAPI document. It loads nothing from other sites.
#[utoipa::path(
    get,
    path = "/api/docs",
    operation_id = "showDocs",
    tag = "Server",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        SimpleProblems
    )
)]
pub async fn docs(State(state): State<AppState>, request: Request) -> Response {
    document::render(state, request).await
}

/// The types of problems.
///
/// The `type` of every problem document is the address of a row of this page.
#[utoipa::path(
    get,
    path = "/api/problems",
    operation_id = "showProblems",
    tag = "Server",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        SimpleProblems
    )
)]
pub async fn problems(State(state): State<AppState>, request: Request) -> Response {
    document::render(state, request).await
}
