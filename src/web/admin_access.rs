//! Access control: who may request the administrator's paths.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    AppState,
    health::readers::ReadsOn,
    json::problem::Problem,
    operators::FIGURES,
    request_path::path_of,
    resumption,
    security::{accepts_html, is_admin_only},
    session,
};
use crate::model::ShopError;

/// Requires an administrator's session for the paths of [`is_admin_only`]. Without one, browsers
/// are redirected to the sign-in page and programs get a 401. While the database is unavailable, a
/// session that was verified lately may go on reading the figures.
pub async fn require_admin(
    State(state): State<AppState>,
    session: tower_sessions::Session,
    mut request: Request,
    next: Next,
) -> Response {
    if !is_admin_only(path_of(request.uri())) {
        return next.run(request).await;
    }
    let readers = state.health.readers();
    // A session that has ended loses its id when it is read.
    let id = session.id();
    let administrator = session::signed_in_administrator(&session, &state.shop).await;
    match (&administrator, id) {
        (Ok(Some(_)), Some(id)) => readers.verified(id),
        (Ok(None), Some(id)) => readers.ended(id),
        (Err(error), Some(id))
            if error.status() == 503 && shows_figures(&request) && readers.may_read_on(id) =>
        {
            request.extensions_mut().insert(ReadsOn);
            return next.run(request).await;
        }
        _ => {}
    }
    match administrator {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) if accepts_html(request.headers()) => {
            resumption::redirect_to_sign_in(request, state.secure).await
        }
        Ok(None) => Problem(ShopError::NotSignedIn).into_response(),
        Err(error) => Problem(error).into_response(),
    }
}

fn shows_figures(request: &Request) -> bool {
    request.method().is_safe() && FIGURES.contains(&path_of(request.uri()))
}
