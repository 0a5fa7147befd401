//! The id of a request, which its response and its log lines carry, its place in the metrics, and
//! its trace.
//!
//! The id is random. A reverse proxy that is trusted may send one of its own, and continue a trace
//! of its own; a client may not, for it could put anything into the log, and have all its requests
//! traced. Log and traces name no address and no client: the address of an order is a secret, and
//! that of a client is personal data.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, Span};

use super::{
    AppState, client_address::is_trusted, connections::KeepingBody, request_path::path_of,
};
use crate::{metrics::http::class_of, telemetry::spans};

/// The header with the id, in requests of a proxy and in responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The classes of requests that are not traced: files, probes, and streams that are open for hours.
const UNTRACED: [&str; 3] = ["asset", "probe", "stream"];
/// The longest id that a proxy may send.
const ID_LEN_MAX: usize = 64;

/// Gives a request its id and its trace, counts it, and logs a response that reports a failure.
pub async fn identify_request(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let is_from_proxy = is_from_proxy(&request, &state.trusted_proxies);
    let id = id_of(request.headers(), is_from_proxy);
    let class = class_of(path_of(request.uri()));
    // The pattern of the route, without what a client has filled in.
    let route = request.extensions().get::<MatchedPath>().cloned();
    // At the level of errors, so that no filter that lets a failure through leaves its id out.
    let span = tracing::error_span!("request", request_id = id);
    let pattern = route.as_ref().map_or("none", MatchedPath::as_str);
    let traced = if UNTRACED.contains(&class) {
        Span::none()
    } else {
        let method = request.method().as_str();
        span.in_scope(|| spans::request(method, pattern, &id))
    };
    if is_from_proxy {
        spans::continue_trace(&traced, request.headers());
    }
    let responding = next.run(request).instrument(traced.clone());
    let mut response = responding.instrument(span.clone()).await;
    let (status, took) = (response.status(), started.elapsed());
    spans::answered(&traced, status.as_u16());
    state.health.http().responded(class, status.as_u16(), took);
    if status.is_server_error() {
        let took_ms = took.as_millis();
        span.in_scope(|| {
            let status = status.as_u16();
            tracing::warn!(status, route = pattern, took_ms, "a request failed");
        });
    }
    // The id consists of characters that a header may contain.
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, id);
    }
    if class == "stream" && status.is_success() {
        let open = state.health.http().open_stream();
        return response.map(|body| Body::new(KeepingBody::new(body, open)));
    }
    response
}

fn is_from_proxy(request: &Request, trusted_proxies: &[IpAddr]) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| is_trusted(peer.ip(), trusted_proxies))
}

fn id_of(headers: &HeaderMap, is_from_proxy: bool) -> String {
    let sent = headers.get(HEADER);
    let sent = sent.and_then(|id| id.to_str().ok());
    match sent.filter(|id| is_from_proxy && is_plain(id)) {
        Some(id) => id.to_owned(),
        None => format!("{:032x}", rand::random::<u128>()),
    }
}

fn is_plain(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=ID_LEN_MAX).contains(&id.len()) && id.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_sent(peer: &str, id: &'static str) -> String {
        let mut request = Request::new(Body::empty());
        let peer: IpAddr = peer.parse().expect("an address");
        let peer = ConnectInfo(SocketAddr::new(peer, 1));
        request.extensions_mut().insert(peer);
        let id = HeaderValue::from_static(id);
        request.headers_mut().insert(HEADER, id);
        let proxy: IpAddr = "10.0.0.1".parse().expect("an address");
        id_of(request.headers(), is_from_proxy(&request, &[proxy]))
    }

    #[test]
    fn only_a_trusted_proxy_may_choose_a_plain_id() {
        assert_eq!(id_sent("10.0.0.1", "f00d-42"), "f00d-42");
        for (peer, id) in [
            ("192.0.2.7", "f00d-42"),
            ("10.0.0.1", ""),
            ("10.0.0.1", "a b"),
            ("10.0.0.1", "{\"level\":\"ERROR\"}"),
            (
                "10.0.0.1",
                "0123456789012345678901234567890123456789012345678901234567890123456789",
            ),
        ] {
            let chosen = id_sent(peer, id);
            assert!(chosen.len() == 32 && chosen != id, "{peer} {id}: {chosen}");
        }
        assert_ne!(id_sent("192.0.2.7", "x"), id_sent("192.0.2.7", "x"));
    }
}
