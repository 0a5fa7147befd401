//! Who asks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};

/// The connection's address, or, when that is a trusted proxy, the last address in `X-Forwarded-For` that is none. The list is read from
/// its end, where our proxies write, and only as far as it can be read: what stands before is whatever the client claims.
pub fn client_address(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted_proxies: &[IpAddr],
) -> IpAddr {
    let peer = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
            peer.ip().to_canonical()
        });
    let is_trusted = |address: &IpAddr| {
        trusted_proxies
            .iter()
            .any(|proxy| proxy.to_canonical() == *address)
    };
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for hop in forwarded.into_iter().rev() {
        match parse_hop(hop.trim()) {
            Some(address) if is_trusted(&nearest) => nearest = address,
            _ => break,
        }
    }
    nearest
}

/// `203.0.113.9`, `203.0.113.9:51234`, `2001:db8::1` or `[2001:db8::1]:51234`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
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
        assert_eq!(
            asked_by("10.0.0.1", "198.51.100.1, unknown"),
            address("10.0.0.1")
        );
        assert_eq!(
            asked_by("10.0.0.1", "198.51.100.1, 203.0.113.9:51234"),
            address("203.0.113.9")
        );
        // A listener for both protocols shows IPv4 peers in IPv6's clothes.
        assert_eq!(
            asked_by("::ffff:10.0.0.1", "203.0.113.9"),
            address("203.0.113.9")
        );
    }
}
