//! The id of a request, which its response and its log lines carry, and its place in the metrics.
//!
//! The id is random. A reverse proxy that is trusted may send one of its own; a client may not, for
//! it could put anything into the log. The log names no address and no client: the address of an
//! order is a secret, and that of a client is personal data.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use super::{
    AppState, client_address::is_trusted, connections::KeepingBody, request_path::path_of,
};
use crate::metrics::http::class_of;

/// The header with the id, in requests of a proxy and in responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that a proxy may send.
const ID_LEN_MAX: usize = 64;

/// Gives a request its id, counts it, and logs a response that reports a failure.
pub async fn identify_request(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = id_of(&request, &state.trusted_proxies);
    let class = class_of(path_of(request.uri()));
    // The pattern of the route, without what a client has filled in.
    let route = request.extensions().get::<MatchedPath>().cloned();
    // At the level of errors, so that no filter that lets a failure through leaves its id out.
    let span = tracing::error_span!("request", request_id = id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), started.elapsed());
    state.health.http().responded(class, status.as_u16(), took);
    if status.is_server_error() {
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        let took_ms = took.as_millis();
        span.in_scope(|| {
            tracing::warn!(status = status.as_u16(), route, took_ms, "a request failed");
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

fn id_of(request: &Request, trusted_proxies: &[IpAddr]) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_from_proxy =
        peer.is_some_and(|ConnectInfo(peer)| is_trusted(peer.ip(), trusted_proxies));
    let sent = request.headers().get(HEADER);
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
        id_of(&request, &[proxy])
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
