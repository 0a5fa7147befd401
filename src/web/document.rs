//! The HTML document around every page.
//!
//! Leptos renders only the body. The document is written when the body is complete, so that its
//! head, its status and its headers are those of the loaded page: Leptos writes a head before the
//! components that are loaded later have changed it, and which of them are in time is chance.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use leptos::prelude::provide_context;
use tracing::Instrument;

use super::{
    AppState, app, json::problem::Problem, moved_addresses::new_address,
    pages::document_head::HeadSlot,
};
use crate::{model::ShopError, telemetry::spans};

/// Renders the page at a request's address, or redirects to its new address.
pub async fn render(state: AppState, request: Request) -> Response {
    if let Some(address) = new_address(request.uri()) {
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, address)]).into_response();
    }
    render_document(state, request)
        .instrument(spans::page())
        .await
}

async fn render_document(state: AppState, request: Request) -> Response {
    let head = HeadSlot::default();
    let context = {
        let head = head.clone();
        move || {
            provide_context(state.clone());
            provide_context(head.clone());
        }
    };
    let render_body = leptos_axum::render_app_async_with_context(context, app::body);
    let (parts, body) = render_body(request).await.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        tracing::error!("a page ended early");
        return Problem(ShopError::Internal {
            incident: "page-ended".to_owned(),
        })
        .into_response();
    };
    let document = write(&head.take().to_html(), &String::from_utf8_lossy(&body));
    Response::from_parts(parts, Body::from(document))
}

fn write(head: &str, body: &str) -> String {
    const AROUND: usize = 80;
    let mut document = String::with_capacity(head.len() + body.len() + AROUND);
    for part in [
        "<!DOCTYPE html><html lang=\"en\"><head>",
        head,
        "</head><body>",
        body,
        "</body></html>",
    ] {
        document.push_str(part);
    }
    document
}
