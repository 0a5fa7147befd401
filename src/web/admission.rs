//! Admits requests up to a limit that adapts to the latency, by the class of their address: load
//! beyond the capacity of the server costs refusals, not latency.

use std::time::Instant;

use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{AppState, json::problem::Problem, request_path::path_of};
use crate::{model::ShopError, resilience::Class, simulation::run_secret::BUYER_HEADER};

/// The classes of addresses, by what they begin with; the first match decides. `None` is not
/// limited: files and probes cost nothing, streams stay open, and an operator must be able to see
/// what is wrong. All other addresses are for browsing.
const CLASSES: [(&str, Option<Class>); 26] = [
    ("/live/", None),
    ("/assets/", None),
    ("/favicon.ico", None),
    ("/robots.txt", None),
    ("/healthz", None),
    ("/readyz", None),
    ("/metrics", None),
    ("/api/health", None),
    ("/admin/health", None),
    ("/present/", Some(Class::Simulation)),
    ("/admin/simulations", Some(Class::Simulation)),
    ("/admin/strategies", Some(Class::Simulation)),
    ("/admin/stepper", Some(Class::Simulation)),
    ("/admin/lessons", Some(Class::Simulation)),
    ("/api/form/admin/simulate", Some(Class::Simulation)),
    ("/api/form/admin/stepper/", Some(Class::Simulation)),
    ("/api/form/admin/run-lesson", Some(Class::Simulation)),
    ("/api/form/admin/rename-simulation", Some(Class::Simulation)),
    // Among them the form that stops a simulation.
    ("/api/form/admin/", Some(Class::Paying)),
    ("/admin", Some(Class::Paying)),
    ("/checkout", Some(Class::Paying)),
    ("/api/form/checkout/", Some(Class::Paying)),
    ("/orders/", Some(Class::Paying)),
    ("/api/orders/", Some(Class::Paying)),
    ("/api/purchase", Some(Class::Paying)),
    ("/api/payments/", Some(Class::Paying)),
];
/// It waits for the payment provider, whose time says nothing about this server.
const NOT_MEASURED: &str = "/api/form/checkout/pay";

/// Passes a request on, or refuses it at once.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = path_of(request.uri());
    let Some(class) = class_of(path, request.headers()) else {
        return next.run(request).await;
    };
    let Some(admitted) = state.admission.admit(class) else {
        let retry_after_s = retry_after_s(class);
        return Problem(ShopError::Busy { retry_after_s }).into_response();
    };
    let is_measured = path != NOT_MEASURED;
    let started = Instant::now();
    let response = next.run(request).await;
    if is_measured {
        let ended = Instant::now();
        admitted.answered(ended.saturating_duration_since(started), ended);
    }
    response
}

/// Returns the class of a request; `None` if it is not limited. A buyer of a simulation says so,
/// which lowers only their own class.
fn class_of(path: &str, headers: &HeaderMap) -> Option<Class> {
    if headers.contains_key(BUYER_HEADER) {
        return Some(Class::Simulation);
    }
    let class = CLASSES.iter().find(|(start, _)| path.starts_with(start));
    class.map_or(Some(Class::Browsing), |(_, class)| *class)
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
            (NOT_MEASURED, Some(Paying)),
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
            ("/live/all", None),
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
}
