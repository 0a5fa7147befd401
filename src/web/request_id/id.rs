//! Which id a request has, and how its response shows it.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, HeaderName, HeaderValue, Request},
};

use crate::web::client_address::is_trusted;

/// The header with the id, in requests of a proxy and in responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that a proxy may send.
const ID_LEN_MAX: usize = 64;

/// True if the request comes from a trusted proxy.
pub fn is_from_proxy<B>(request: &Request<B>, trusted_proxies: &[IpAddr]) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| is_trusted(peer.ip(), trusted_proxies))
}

/// Returns the id that a trusted proxy sent, or a random one.
pub fn of(headers: &HeaderMap, is_from_proxy: bool) -> String {
    let sent = headers.get(HEADER);
    let sent = sent.and_then(|id| id.to_str().ok());
    match sent.filter(|id| is_from_proxy && is_plain(id)) {
        Some(id) => id.to_owned(),
        None => random(),
    }
}

fn is_plain(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=ID_LEN_MAX).contains(&id.len()) && id.bytes().all(is_plain)
}

/// Returns a random id.
pub fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Puts an id into the headers of a response.
pub fn attach(response: &mut HeaderMap, id: &str) {
    // It consists of characters that a header may contain.
    if let Ok(id) = HeaderValue::from_str(id) {
        response.insert(HEADER, id);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn id_sent(peer: &str, id: &'static str) -> String {
        let mut request = Request::new(Body::empty());
        let peer: IpAddr = peer.parse().expect("an address");
        let peer = ConnectInfo(SocketAddr::new(peer, 1));
        request.extensions_mut().insert(peer);
        let id = HeaderValue::from_static(id);
        request.headers_mut().insert(HEADER, id);
        let proxy: IpAddr = "10.0.0.1".parse().expect("an address");
        of(request.headers(), is_from_proxy(&request, &[proxy]))
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
