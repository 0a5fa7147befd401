//! The router, its middleware layers and the graceful shutdown.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use leptos_axum::{AxumRouteListing, generate_route_list};
use tokio::net::TcpListener;
use tower_http::{catch_panic::CatchPanicLayer, csrf::CsrfLayer};

use super::{
    AppState, admin_access, admission,
    api_routes::{self, api_routes},
    app, assets, compression,
    connections::{self, ConnectionLimits, ConnectionSettings},
    cookie_budget, document, exports, forms,
    health::endpoint,
    json::{health, order, problem::Problem, purchase},
    live, maintenance, operators, request_id, request_path, retry_page, sale_calendar,
    search_engines, security, sitemap, visitor,
};
use crate::{model::ShopError, shop::notices};

/// The server cancels a request that takes longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for open requests to finish during a shutdown: a little longer than a request may take.
/// Closing the pools and stopping the other processes takes the rest of the 10 s.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(5_500);
/// The same for a server of a run: its buyers have ended before it, or the process of the run has.
const BUYERS_DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// Time for running simulations to be aborted and stored during a shutdown.
const CUT_OFF_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("PUBLIC_URL is not a valid browser origin: {0}")]
    Origin(tower_http::csrf::ConfigError),
}

/// Returns every route that is neither a page, nor a server function, nor in [`api_routes`]. axum
/// cannot list its routes, so the router is built from this table and the tests enumerate it.
pub fn other_routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    let mut routes = vec![
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
        ("/metrics", get(endpoint::metrics)),
        ("/products/{slug}/sale.ics", get(sale_calendar::sale_ics)),
        ("/admin/simulations/{id}/export.csv", get(exports::samples)),
        ("/admin/simulations/{id}/figures.csv", get(exports::figures)),
        ("/admin/simulations/{id}/export.json", get(exports::json)),
        ("/admin/simulations/{id}/export.html", get(exports::replay)),
        ("/admin/simulations/{id}/export.svg", get(exports::picture)),
        ("/assets/{release}/{*path}", get(assets::serve)),
        ("/favicon.ico", get(assets::favicon)),
        ("/robots.txt", get(search_engines::robots_txt)),
        ("/sitemap.xml", get(sitemap::sitemap_xml)),
    ];
    routes.extend(live::routes());
    routes
}

/// Returns the routes of the pages.
pub fn page_routes() -> Vec<AxumRouteListing> {
    generate_route_list(app::App)
}

/// Builds the router with all routes and layers.
///
/// # Errors
/// [`ServeError::Origin`] if browsers would never send `PUBLIC_URL` as an origin.
pub fn router(state: AppState) -> Result<Router, ServeError> {
    let csrf = CsrfLayer::new()
        .add_trusted_origin(&*state.public_url)
        .map_err(ServeError::Origin)?
        .with_rejection_response(|_| Problem(ShopError::CrossSite).into_response());
    let mut router = Router::new();
    for (path, handler) in other_routes() {
        router = router.route(path, handler);
    }
    for (_, described, handler) in api_routes() {
        for path in described.paths.keys() {
            router = router.route(path, handler.clone());
        }
    }
    let forms = {
        let state = state.clone();
        move |request| forms::handle_form(state.clone(), request)
    };
    let page = {
        let state = state.clone();
        move |request| document::render(state.clone(), request)
    };
    for route in page_routes() {
        // The pages of the API have been added with its other routes.
        if !is_for_programs(route.path()) {
            router = router.route(route.path(), get(page.clone()));
        }
    }
    Ok(router
        .route("/api/form/{*path}", post(forms))
        .method_not_allowed_fallback(async || Problem(ShopError::MethodNotAllowed))
        .fallback(move |request: Request| {
            let page = page.clone();
            async move {
                if is_for_programs(request_path::path_of(request.uri())) {
                    return Problem(ShopError::UnknownPage).into_response();
                }
                page(request).await
            }
        })
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state.admission.figures),
            operators::take_turns,
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            admin_access::require_admin,
        ))
        .layer(security::sessions(&state))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            visitor::identify,
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            cookie_budget::limit,
        ))
        .layer(Extension(api_routes::document()))
        .layer(middleware::from_fn(enforce_timeout))
        // Behind the layer that reads the body: a client that sends slowly takes no place.
        .layer(middleware::from_fn_with_state(
            state.clone(),
            admission::limit,
        ))
        .layer(middleware::from_fn(security::check_body))
        .layer(DefaultBodyLimit::disable())
        .layer(csrf)
        .layer(middleware::from_fn(request_path::refuse_ambiguous))
        .layer(middleware::from_fn(compression::compress_documents))
        .layer(middleware::from_fn(retry_page::try_again))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(middleware::from_fn(search_engines::mark_private))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::headers,
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            request_id::identify_request,
        ))
        .with_state(state))
}

/// Returns true for the paths at which programs call: an error below them is never a page.
fn is_for_programs(path: &str) -> bool {
    ["/api/", "/live/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// Cancels a request after [`REQUEST_TIMEOUT`], which begins when its body has arrived.
///
/// Its transaction may still commit: the transaction has its own timeout, which starts later. So a
/// request that changes something gets the error that its outcome is unknown.
async fn enforce_timeout(request: Request, next: Next) -> Response {
    let error = if request.method().is_safe() {
        ShopError::Busy { retry_after_s: 2 }
    } else {
        ShopError::OutcomeUnknown { retry_after_s: 2 }
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem(error).into_response(),
    }
}

fn panic_response(_: Box<dyn std::any::Any + Send>) -> Response {
    let incident = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    tracing::error!(incident, "a request panicked");
    Problem(ShopError::Internal { incident }).into_response()
}

/// Builds the router of a server that a run starts for its buyers: it sells to them, shows what
/// they ordered, and has no pages and no forms. A buyer waits as long as a buyer in the process of
/// the run would.
pub fn buyers_router(state: AppState) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/api/purchase", post(purchase::purchase))
        .route("/api/orders/{publicId}", get(order::one))
        .method_not_allowed_fallback(async || Problem(ShopError::MethodNotAllowed))
        .fallback(async || Problem(ShopError::UnknownPage))
        .layer(security::sessions(&state))
        .layer(middleware::from_fn(security::check_body))
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(request_path::refuse_ambiguous))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::headers,
        ))
        .with_state(state)
}

/// Serves the buyers of a run until the state's `shutdown` is cancelled, without any maintenance:
/// it would be a part of what the run measures.
pub async fn serve_buyers(listener: TcpListener, state: AppState, limits: ConnectionLimits) {
    let settings = ConnectionSettings {
        router: buyers_router(state.clone()),
        limits,
        trusted_proxies: Arc::clone(&state.trusted_proxies),
        is_secure: state.secure,
        refusals: Arc::clone(state.health.http().refusals()),
        shutdown: state.shutdown.clone(),
        drain: BUYERS_DRAIN_TIMEOUT,
    };
    connections::serve(listener, settings).await;
}

/// Serves requests until the state's `shutdown` is cancelled, then lets open requests finish.
///
/// # Errors
/// [`ServeError::Origin`], as [`router`].
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    limits: ConnectionLimits,
) -> Result<(), ServeError> {
    let shutdown = state.shutdown.clone();
    let settings = ConnectionSettings {
        router: router(state.clone())?,
        limits,
        trusted_proxies: Arc::clone(&state.trusted_proxies),
        is_secure: state.secure,
        refusals: Arc::clone(state.health.http().refusals()),
        shutdown: shutdown.clone(),
        drain: DRAIN_TIMEOUT,
    };
    let background = maintenance::start(&state);
    let shop = state.shop.clone();
    let runs = state.engine.runs().clone();
    let stop = shutdown.clone();
    let runs_cut_off = tokio::spawn(async move {
        stop.cancelled().await;
        runs.cut_off("the server that ran it was stopped", CUT_OFF_TIMEOUT)
            .await;
    });
    connections::serve(listener, settings).await;
    // The server stops only after a shutdown, so this ends.
    let _ = runs_cut_off.await;
    drop(background);
    notices::send_last(shop.db(), shop.feed()).await;
    Ok(())
}
