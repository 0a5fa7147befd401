//! Downloads of a run, for the administrator: `GET /admin/simulations/{id}/…`. The download of a
//! run in progress contains the results so far.

pub mod picture;

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

use super::{
    AppState,
    json::{path_text::PathText, problem::Problem},
    runs,
};
use crate::{
    model::{RunSnapshot, ShopError},
    shop::moment,
    simulation::{export, store},
};

/// Content security policy of the SVG image: it may only contain inline styles.
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// `…/export.csv`: one row per sample and lane.
///
/// # Errors
/// 404 if the run is unknown; 409 if it cannot be read; 503 if the database is unavailable.
pub async fn samples(state: State<AppState>, PathText(id): PathText) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    Ok(attachment(
        &run,
        "samples.csv",
        "text/csv; charset=utf-8",
        export::samples(&run),
    ))
}

/// `…/figures.csv`: one row per lane with a verdict.
///
/// # Errors
/// As [`samples`].
pub async fn figures(state: State<AppState>, PathText(id): PathText) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    Ok(attachment(
        &run,
        "figures.csv",
        "text/csv; charset=utf-8",
        export::figures(&run),
    ))
}

/// `…/export.json`: the plan, the samples and the verdicts.
///
/// # Errors
/// As [`samples`].
pub async fn json(state: State<AppState>, PathText(id): PathText) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    let now = store::server(state.shop.db()).await?.now;
    let text = export::json(&run, &moment::in_rfc3339(now)).map_err(|error| {
        tracing::error!(%error, run = run.id, "could not serialize a run as JSON");
        ShopError::Internal {
            incident: "run-as-json".to_owned(),
        }
    })?;
    Ok(attachment(&run, "run.json", "application/json", text))
}

/// `…/export.html`: an HTML document that replays the run.
///
/// # Errors
/// As [`samples`].
pub async fn replay(state: State<AppState>, PathText(id): PathText) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    let now = store::server(state.shop.db()).await?.now;
    let text = export::replay(&run, &moment::in_utc(now));
    Ok(attachment(
        &run,
        "replay.html",
        "text/html; charset=utf-8",
        text,
    ))
}

/// `…/export.svg`: an image of the run's charts and results. The browser converts it to a PNG.
///
/// # Errors
/// As [`samples`].
pub async fn picture(state: State<AppState>, PathText(id): PathText) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    let mut response = attachment(&run, "curves.svg", "image/svg+xml", picture::svg(&run));
    let policy = axum::http::HeaderValue::from_static(PICTURE_POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

async fn run(state: &AppState, id: &str) -> Result<RunSnapshot, ShopError> {
    runs::find(&state.shop, state.engine.runs(), id).await
}

/// Builds a download whose file name contains the run's id. The id needs no quoting in the header.
fn attachment(run: &RunSnapshot, name: &str, media_type: &'static str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"doorbuster-{}-{name}\"", run.id);
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, text).into_response()
}
