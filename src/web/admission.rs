//! Admits requests up to a limit that adapts to the latency, by the class of their address: load
//! beyond the capacity of the server costs refusals, not latency.
//!
//! Two kinds of requests have limits of their own. Payments wait for the payment provider: a slow
//! one must not take the places of all others. Operators need to see what is wrong while the shop
//! is full, and their addresses must not be a way around its limit.

use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    AppState,
    client_address::{RequestClient, client_of},
    json::problem::Problem,
    operators::{self, FigureTurns},
    rate_limit::network_of,
    request_path::path_of,
};
use crate::{
    model::ShopError,
    resilience::{AdmissionRefusal, Class, ConcurrencyLimiter, LimiterSettings},
    simulation::run_secret::BUYER_HEADER,
};

/// The limits of what a server works on at once.
#[derive(Debug)]
pub struct AdmissionLimits {
    /// Of all requests but the following ones.
    pub requests: Arc<ConcurrencyLimiter>,
    pub payments: Arc<ConcurrencyLimiter>,
    pub operators: Arc<ConcurrencyLimiter>,
    /// Of the figures that operators ask for.
    pub figures: Arc<FigureTurns>,
    /// Of those at the address of the metrics. A page of figures reads the database, and Prometheus
    /// must not wait for that.
    pub metrics: Arc<FigureTurns>,
}

impl AdmissionLimits {
    /// The limits of a server of the shop.
    pub fn of_server() -> Self {
        let limiter = |settings| Arc::new(ConcurrencyLimiter::new(settings));
        Self {
            requests: limiter(LimiterSettings::SERVER),
            payments: limiter(LimiterSettings::PAYMENTS),
            operators: limiter(LimiterSettings::OPERATORS),
            figures: Arc::default(),
            metrics: Arc::default(),
        }
    }

    /// Limits that no request reaches, for a server that is measured.
    pub fn unlimited() -> Self {
        let limiter = || Arc::new(ConcurrencyLimiter::new(LimiterSettings::UNLIMITED));
        Self {
            requests: limiter(),
            payments: limiter(),
            operators: limiter(),
            figures: Arc::default(),
            metrics: Arc::default(),
        }
    }

    /// Returns the limiter of an address that is limited.
    fn limiter_of(&self, path: &str) -> &Arc<ConcurrencyLimiter> {
        if operators::is_for_operators(path) {
            return &self.operators;
        }
        if path == PAY {
            return &self.payments;
        }
        &self.requests
    }
}

/// Addresses that are not limited: probes, and files that cost nothing. Exactly these: any address
/// below them could be a page.
const UNLIMITED: [&str; 5] = [
    "/favicon.ico",
    "/robots.txt",
    "/healthz",
    "/readyz",
    "/api/health",
];
/// Files, which cost nothing either.
const FILES: &str = "/assets/";
/// Streams. One takes a place until it has begun, because then it reads the database.
const STREAMS: &str = "/live/";
/// The classes of addresses, by what they begin with; the first match decides. All other addresses
/// are for browsing.
const CLASSES: [(&str, Class); 18] = [
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
    ("/metrics", Class::Paying),
    ("/checkout", Class::Paying),
    ("/api/form/checkout/", Class::Paying),
    ("/orders/", Class::Paying),
    ("/api/orders/", Class::Paying),
    ("/api/purchase", Class::Paying),
    ("/api/payments/", Class::Paying),
];
/// It waits for the payment provider.
const PAY: &str = "/api/form/checkout/pay";
/// The payment provider reports there, about the orders of all shoppers.
const WEBHOOK: &str = "/api/payments/webhook";
/// They wait for the payment provider (the third one for a refund), and for a slow hash: their time
/// says nothing about the load.
const NOT_MEASURED: [&str; 3] = [PAY, "/api/form/admin/login", "/api/form/admin/order"];

/// Passes a request on, or refuses it at once.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (headers, extensions) = (request.headers(), request.extensions());
    state
        .unlisted_proxies
        .observe(headers, extensions, &state.trusted_proxies);
    let path = path_of(request.uri());
    let streams = state.health.http().streams_open();
    if path.starts_with(STREAMS) && streams >= state.streams_max {
        return response_of(AdmissionRefusal::Full, Class::Browsing);
    }
    let Some(class) = class_of(path, request.headers()) else {
        return next.run(request).await;
    };
    let network = limited_network(path, &request, &state.trusted_proxies);
    let limiter = state.admission.limiter_of(path);
    let admitted = match limiter.admit(class, network) {
        Ok(admitted) => admitted,
        Err(refusal) => return response_of(refusal, class),
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

fn response_of(refusal: AdmissionRefusal, class: Class) -> Response {
    let retry_after_s = retry_after_s(class);
    Problem(match refusal {
        AdmissionRefusal::Full => ShopError::Busy { retry_after_s },
        AdmissionRefusal::NetworkShare => ShopError::NetworkBusy { retry_after_s },
    })
    .into_response()
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

/// Returns the network of a client: each has only a share of the places. There is none for this
/// machine, where simulated buyers and load tests run and where a proxy may be that is not trusted,
/// for a trusted proxy that sent the request itself, and for the payment provider.
fn limited_network(path: &str, request: &Request, trusted_proxies: &[IpAddr]) -> Option<IpAddr> {
    if path == WEBHOOK {
        return None;
    }
    match client_of(request.headers(), request.extensions(), trusted_proxies) {
        RequestClient::Proxy(_) => None,
        // Also if the proxy is on this machine.
        RequestClient::Unreadable(proxy) => Some(network_of(proxy)),
        RequestClient::Named(address) => {
            let is_here = address.is_loopback() || address.is_unspecified();
            (!is_here).then(|| network_of(address))
        }
    }
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
    use std::net::SocketAddr;

    use axum::{body::Body, extract::ConnectInfo, http::HeaderValue};

    use super::*;
    use crate::web::client_address::FORWARDED_FOR;

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
            ("/admin/health", Some(Paying)),
            ("/admin/health/guide", Some(Paying)),
            ("/metrics", Some(Paying)),
            ("/healthz/other", Some(Browsing)),
            ("/live/all", Some(Browsing)),
            ("/readyz", None),
            ("/assets/1/page.js", None),
        ] {
            assert_eq!(class_of(path, &headers), class, "{path}");
        }
    }

    #[test]
    fn payments_and_operators_have_limits_of_their_own() {
        let limits = AdmissionLimits::of_server();
        for (path, limiter) in [
            ("/api/form/checkout/pay", &limits.payments),
            ("/metrics", &limits.operators),
            ("/admin/health", &limits.operators),
            ("/admin/health/guide", &limits.operators),
            ("/admin/health/other", &limits.requests),
            ("/api/form/checkout/enter", &limits.requests),
            ("/api/payments/webhook", &limits.requests),
            ("/api/form/admin/order", &limits.requests),
            ("/", &limits.requests),
        ] {
            assert!(Arc::ptr_eq(limits.limiter_of(path), limiter), "{path}");
        }
    }

    /// Returns the network of a request from `peer`. Proxies are at 10.0.0.1 and on this machine.
    fn network(path: &str, peer: &str, forwarded: Option<&[u8]>) -> Option<IpAddr> {
        let mut request = Request::new(Body::empty());
        let peer = SocketAddr::new(peer.parse().expect("an address"), 1);
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(forwarded) = forwarded {
            let forwarded = HeaderValue::from_bytes(forwarded).expect("a value");
            request.headers_mut().insert(FORWARDED_FOR, forwarded);
        }
        let proxies = [[10, 0, 0, 1], [127, 0, 0, 1]].map(IpAddr::from);
        limited_network(path, &request, &proxies)
    }

    #[test]
    fn each_client_network_has_a_share_and_this_machine_none() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let client = address("192.0.2.7");
        assert_eq!(network("/", "192.0.2.7", None), client);
        assert_eq!(network("/", "10.0.0.1", Some(b"192.0.2.7")), client);
        let forged = network("/", "192.0.2.7", Some(b"127.0.0.1"));
        assert_eq!(forged, client, "only a trusted proxy is believed");
        let forged = network("/", "10.0.0.1", Some(b"127.0.0.1, 192.0.2.7"));
        assert_eq!(forged, client, "and that only for its last hop");
        assert_eq!(
            network("/", "2001:db8:1:2:3::4", None),
            address("2001:db8:1:2::")
        );
        for of_this_machine in ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(network("/", of_this_machine, None), None);
        }
        assert_eq!(network("/readyz", "10.0.0.1", None), None, "the proxy");
        assert_eq!(network("/api/payments/webhook", "192.0.2.7", None), None);
        let request = Request::new(Body::empty());
        assert_eq!(limited_network("/", &request, &[]), None, "no connection");
    }

    #[test]
    fn a_client_whose_address_cannot_be_read_has_no_more_places_than_another() {
        let client = Some(IpAddr::from([192, 0, 2, 7]));
        for proxy in [[10, 0, 0, 1], [127, 0, 0, 1]].map(IpAddr::from) {
            let network = |forwarded| network("/", &proxy.to_string(), Some(forwarded));
            assert_eq!(network(b"\xff, 192.0.2.7"), client);
            for unreadable in [b"\xff".as_slice(), b"", b"192.0.2.7, unknown"] {
                assert_eq!(network(unreadable), Some(proxy), "{unreadable:?}");
            }
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
