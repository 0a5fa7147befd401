//! The router, its layers from the outside in, and the end.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    routing::{MethodRouter, get, post},
    serve::ListenerExt,
};
use leptos::prelude::provide_context;
use leptos_axum::{
    AxumRouteListing, LeptosRoutes, generate_route_list, handle_server_fns_with_context,
};
use tokio::net::TcpListener;
use tower_http::{catch_panic::CatchPanicLayer, csrf::CsrfLayer, timeout::TimeoutLayer};

use super::{
    AppState, app, assets, housekeeping,
    json::{health, problem::Problem, products, purchase},
    live, security,
};
use crate::model::ShopError;

/// A request without an answer after this long is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long open requests may go on once the server is to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why serving ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("PUBLIC_URL is no origin that browsers send: {0}")]
    Origin(tower_http::csrf::ConfigError),
    #[error("the server stopped: {0}")]
    Io(#[from] std::io::Error),
}

/// Every route that is neither a page nor a server function. axum cannot list its routes, so this table is what builds them, and what
/// the tests enumerate.
pub fn other_routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
        ("/api/purchase", post(purchase::purchase)),
        ("/api/products", get(products::list)),
        ("/api/products/{id}", get(products::one)),
        ("/live/stock", get(live::stock::follow)),
        ("/live/simulations/{id}", get(live::runs::follow)),
        ("/assets/{release}/{*path}", get(assets::serve)),
    ]
}

/// The pages, as the router knows them.
pub fn page_routes() -> Vec<AxumRouteListing> {
    generate_route_list(app::App)
}

/// The whole server as one service.
///
/// # Errors
/// [`ServeError::Origin`] for a `PUBLIC_URL` that browsers would never send as an origin.
pub fn router(state: AppState) -> Result<Router, ServeError> {
    let csrf = CsrfLayer::new()
        .add_trusted_origin(&*state.public_url)
        .map_err(ServeError::Origin)?;
    let context = {
        let state = state.clone();
        move || provide_context(state.clone())
    };
    let mut router = Router::new();
    for (path, handler) in other_routes() {
        router = router.route(path, handler);
    }
    let forms = {
        let context = context.clone();
        move |request| handle_server_fns_with_context(context.clone(), request)
    };
    Ok(router
        .route("/api/form/{*path}", post(forms))
        .leptos_routes_with_context(&state, page_routes(), context.clone(), app::shell)
        .fallback(leptos_axum::render_app_async_with_context(
            context,
            app::shell,
        ))
        .layer(middleware::from_fn(security::admit_admin))
        .layer(security::sessions(&state))
        .layer(middleware::from_fn(security::check_body))
        .layer(DefaultBodyLimit::disable())
        .layer(csrf)
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::headers,
        ))
        .with_state(state))
}

fn after_panic(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    use axum::response::IntoResponse;
    let incident = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    tracing::error!(incident, "a request panicked");
    Problem(ShopError::Internal { incident }).into_response()
}

/// Serves until the state's `shutdown` is cancelled, then lets open requests finish.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(listener: TcpListener, state: AppState) -> Result<(), ServeError> {
    let shutdown = state.shutdown.clone();
    let router = router(state.clone())?;
    let watch = state.stock_watch.clone();
    let background = [
        tokio::spawn(watch.run(state.shop.clone(), shutdown.clone())),
        tokio::spawn(housekeeping::run(state, shutdown.clone())),
    ];
    // Nagle's algorithm would hold the second half of every page back for 40 ms.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let stop = shutdown.clone();
    let served = axum::serve(
        listener,
        router.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move { stop.cancelled().await });
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = served => result?,
        () = overdue => tracing::warn!("some requests were still open after the drain and are dropped"),
    }
    for task in background {
        task.abort();
    }
    Ok(())
}
