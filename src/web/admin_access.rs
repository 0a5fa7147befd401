//! Access control: who may request the administrator's paths.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    AppState,
    json::problem::Problem,
    request_path::path_of,
    resumption,
    security::{accepts_html, is_admin_only},
    session,
};
use crate::model::ShopError;

/// Requires an administrator's session for the paths of [`is_admin_only`]. Without one, browsers
/// are redirected to the sign-in page and programs get a 401.
pub async fn require_admin(
    State(state): State<AppState>,
    session: tower_sessions::Session,
    request: Request,
    next: Next,
) -> Response {
    if !is_admin_only(path_of(request.uri())) {
        return next.run(request).await;
    }
    match session::signed_in_administrator(&session, &state.shop).await {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) if accepts_html(request.headers()) => {
            resumption::redirect_to_sign_in(request, state.secure).await
        }
        Ok(None) => Problem(ShopError::NotSignedIn).into_response(),
        Err(error) => Problem(error).into_response(),
    }
}
