//! Who asks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};

/// The connection's address, or, when that is a trusted proxy, the last address in `X-Forwarded-For` that is none.
pub fn client_address(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted_proxies: &[IpAddr],
) -> IpAddr {
    let peer = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
            peer.ip()
        });
    let is_trusted = |address: &IpAddr| trusted_proxies.contains(address);
    if !is_trusted(&peer) {
        return peer;
    }
    let forwarded: Vec<IpAddr> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|address| address.trim().parse().ok())
        .collect();
    forwarded
        .into_iter()
        .rev()
        .find(|address| !is_trusted(address))
        .unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked_by(peer: &str, forwarded: &'static str) -> Option<IpAddr> {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().ok()?, 1)));
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
        let proxies = ["10.0.0.1".parse().ok()?, "10.0.0.2".parse().ok()?];
        Some(client_address(&headers, &extensions, &proxies))
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let address = |text: &str| text.parse().ok();
        // What a client claims about itself counts for nothing.
        assert_eq!(asked_by("192.0.2.7", "198.51.100.1"), address("192.0.2.7"));
        // The last address that no proxy of ours has is the one that our proxy saw.
        assert_eq!(
            asked_by("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2"),
            address("203.0.113.9")
        );
        assert_eq!(asked_by("10.0.0.1", "nonsense"), address("10.0.0.1"));
    }
}
