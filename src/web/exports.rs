//! A run to take away, for the administrator: `GET /admin/simulations/{id}/…`. A run that goes on is taken away as far as it has come.

pub mod picture;

use axum::{
    extract::{Path, State},
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

use super::{AppState, json::problem::Problem, runs};
use crate::{
    model::{RunSnapshot, ShopError},
    simulation::{export, store},
};

/// What a picture may do: be styled.
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// `…/export.csv`: a row for each point of each lane.
///
/// # Errors
/// 404 for an unknown run; 503.
pub async fn samples(state: State<AppState>, id: Path<String>) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    Ok(file(
        &run,
        "samples.csv",
        "text/csv; charset=utf-8",
        export::samples(&run),
    ))
}

/// `…/figures.csv`: a row for each lane that was judged.
///
/// # Errors
/// As [`samples`].
pub async fn figures(state: State<AppState>, id: Path<String>) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    Ok(file(
        &run,
        "figures.csv",
        "text/csv; charset=utf-8",
        export::figures(&run),
    ))
}

/// `…/export.json`: all of it.
///
/// # Errors
/// As [`samples`].
pub async fn json(state: State<AppState>, id: Path<String>) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    let now = store::server(state.shop.db()).await?.now;
    let text = export::json(&run, &now).map_err(|error| {
        tracing::error!(%error, run = run.id, "a run could not be written as JSON");
        ShopError::Internal {
            incident: "run-as-json".to_owned(),
        }
    })?;
    Ok(file(&run, "run.json", "application/json", text))
}

/// `…/export.html`: a document that replays the run.
///
/// # Errors
/// As [`samples`].
pub async fn replay(state: State<AppState>, id: Path<String>) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    let now = store::server(state.shop.db()).await?.now;
    let text = export::replay(&run, &now);
    Ok(file(&run, "replay.html", "text/html; charset=utf-8", text))
}

/// `…/export.svg`: its curves and what came of it, as a picture. A PNG is made from it in the browser.
///
/// # Errors
/// As [`samples`].
pub async fn picture(state: State<AppState>, id: Path<String>) -> Result<Response, Problem> {
    let run = run(&state, &id).await?;
    let mut response = file(&run, "curves.svg", "image/svg+xml", picture::svg(&run));
    let policy = axum::http::HeaderValue::from_static(PICTURE_POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

async fn run(state: &AppState, id: &str) -> Result<RunSnapshot, ShopError> {
    runs::find(&state.shop, &state.engine, id).await
}

/// To be saved under a name that says which run it is. The id has no character that would need quoting.
fn file(run: &RunSnapshot, name: &str, media_type: &'static str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"doorbuster-{}-{name}\"", run.id);
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, text).into_response()
}
