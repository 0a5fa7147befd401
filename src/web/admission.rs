//! Admits requests up to a limit that adapts to the latency, by the class of their address: load
//! beyond the capacity of the server costs refusals, not latency.

use std::time::Instant;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{AppState, json::problem::Problem, request_path::path_of};
use crate::{model::ShopError, resilience::Class, simulation::run_secret::BUYER_HEADER};

/// Addresses that are not limited: probes, files that cost nothing, and what an operator needs to
/// see what is wrong. Exactly these: any address below them could be a page.
const UNLIMITED: [&str; 8] = [
    "/favicon.ico",
    "/robots.txt",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/health",
    "/admin/health",
    "/admin/health/guide",
];
/// Files, which cost nothing either.
const FILES: &str = "/assets/";
/// Streams. One takes a place until it has begun, because then it reads the database.
const STREAMS: &str = "/live/";
/// The classes of addresses, by what they begin with; the first match decides. All other addresses
/// are for browsing.
const CLASSES: [(&str, Class); 17] = [
    ("/present/", Class::Simulation),
    ("/admin/simulations", Class::Simulation),
    ("/admin/strategies", Class::Simulation),
    ("/admin/stepper", Class::Simulation),
    ("/admin/lessons", Class::Simulation),
    ("/api/form/admin/simulate", Class::Simulation),
    ("/api/form/admin/stepper/", Class::Simulation),
    ("/api/form/admin/run-lesson", Class::Simulation),
    ("/api/form/admin/rename-simulation", Class::Simulation),
    // Among them the form that stops a simulation.
    ("/api/form/admin/", Class::Paying),
    ("/admin", Class::Paying),
    ("/checkout", Class::Paying),
    ("/api/form/checkout/", Class::Paying),
    ("/orders/", Class::Paying),
    ("/api/orders/", Class::Paying),
    ("/api/purchase", Class::Paying),
    ("/api/payments/", Class::Paying),
];
/// They wait for the payment provider, and for a slow hash: their time says nothing about the load.
const NOT_MEASURED: [&str; 2] = ["/api/form/checkout/pay", "/api/form/admin/login"];

/// Passes a request on, or refuses it at once.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = path_of(request.uri());
    let streams = state.health.http().streams_open();
    if path.starts_with(STREAMS) && streams >= state.streams_max {
        return refusal(Class::Browsing);
    }
    let Some(class) = class_of(path, request.headers()) else {
        return next.run(request).await;
    };
    let Some(admitted) = state.admission.admit(class) else {
        return refusal(class);
    };
    let is_measured = !NOT_MEASURED.contains(&path);
    let started = Instant::now();
    let response = next.run(request).await;
    if is_measured {
        let ended = Instant::now();
        let latency = ended.saturating_duration_since(started);
        admitted.answered(latency, ended, is_work(response.status()));
    }
    response
}

/// False for a refusal, which costs nothing: that it was quick says nothing about the load. Sold
/// out (409) is an answer of the stock row.
fn is_work(status: StatusCode) -> bool {
    status == StatusCode::CONFLICT || !(status.is_client_error() || status.is_server_error())
}

fn refusal(class: Class) -> Response {
    let retry_after_s = retry_after_s(class);
    Problem(ShopError::Busy { retry_after_s }).into_response()
}

/// Returns the class of a request; `None` if it is not limited. A buyer of a simulation says so,
/// which lowers only their own class.
fn class_of(path: &str, headers: &HeaderMap) -> Option<Class> {
    if headers.contains_key(BUYER_HEADER) {
        return Some(Class::Simulation);
    }
    if UNLIMITED.contains(&path) || path.starts_with(FILES) {
        return None;
    }
    let class = CLASSES.iter().find(|(start, _)| path.starts_with(start));
    Some(class.map_or(Class::Browsing, |(_, class)| *class))
}

/// Suggests when to try again: those who pay first.
const fn retry_after_s(class: Class) -> u64 {
    match class {
        Class::Paying => 1,
        Class::Browsing => 2,
        Class::Simulation => 5,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_address_decides_the_class() {
        use Class::{Browsing, Paying, Simulation};
        let headers = HeaderMap::new();
        for (path, class) in [
            ("/", Some(Browsing)),
            ("/products/lamp", Some(Browsing)),
            ("/api/products", Some(Browsing)),
            ("/cart", Some(Browsing)),
            ("/api/form/cart/add", Some(Browsing)),
            ("/checkout", Some(Paying)),
            ("/checkout/now", Some(Paying)),
            ("/api/form/checkout/pay", Some(Paying)),
            ("/orders/01890000-0000-7000-8000-000000000000", Some(Paying)),
            ("/api/purchase", Some(Paying)),
            ("/api/payments/webhook", Some(Paying)),
            ("/admin", Some(Paying)),
            ("/admin/login", Some(Paying)),
            ("/admin/products/lamp", Some(Paying)),
            ("/api/form/admin/change-sale", Some(Paying)),
            ("/api/form/admin/control-simulation", Some(Paying)),
            ("/admin/simulations/7", Some(Simulation)),
            ("/api/form/admin/simulate", Some(Simulation)),
            ("/api/form/admin/stepper/step", Some(Simulation)),
            ("/admin/health", None),
            ("/admin/health/guide", None),
            ("/admin/health/other", Some(Paying)),
            ("/healthz/other", Some(Browsing)),
            ("/live/all", Some(Browsing)),
            ("/readyz", None),
            ("/metrics", None),
            ("/assets/1/page.js", None),
        ] {
            assert_eq!(class_of(path, &headers), class, "{path}");
        }
    }

    #[test]
    fn a_simulated_buyer_comes_after_the_shoppers() {
        let mut headers = HeaderMap::new();
        headers.insert(BUYER_HEADER, HeaderValue::from_static("secret"));
        assert_eq!(class_of("/api/purchase", &headers), Some(Class::Simulation));
    }

    #[test]
    fn a_refusal_is_no_work_unless_the_stock_row_has_given_it() {
        for (status, expected) in [
            (StatusCode::OK, true),
            (StatusCode::SEE_OTHER, true),
            (StatusCode::CONFLICT, true),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, false),
            (StatusCode::TOO_MANY_REQUESTS, false),
            (StatusCode::SERVICE_UNAVAILABLE, false),
        ] {
            assert_eq!(is_work(status), expected, "{status}");
        }
    }
}
