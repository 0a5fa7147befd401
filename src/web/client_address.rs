//! The IP address of the client that sent a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};

/// Returns the address of the connection or, if that is a trusted proxy, the last address in
/// `X-Forwarded-For` that is not a trusted proxy.
///
/// The function reads the list from its end, where our proxies append, and stops at the first
/// entry that it cannot parse: the client can forge everything before that.
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
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for hop in forwarded.into_iter().rev() {
        match parse_hop(hop.trim()) {
            Some(address) if is_trusted(nearest, trusted_proxies) => nearest = address,
            _ => break,
        }
    }
    nearest
}

/// Returns true if `address` is one of the trusted proxies.
pub fn is_trusted(address: IpAddr, trusted_proxies: &[IpAddr]) -> bool {
    trusted_proxies
        .iter()
        .any(|proxy| proxy.to_canonical() == address.to_canonical())
}

/// Parses `203.0.113.9`, `203.0.113.9:51234`, `2001:db8::1` or `[2001:db8::1]:51234`.
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

    fn address_of(peer: &str, forwarded: &'static str) -> Option<IpAddr> {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().ok()?, 1)));
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
        let proxies = ["10.0.0.1".parse().ok()?, "10.0.0.2".parse().ok()?];
        Some(client_address(&headers, &extensions, &proxies))
    }

    #[test]
    fn only_a_trusted_proxy_can_forward_an_address() {
        let address = |text: &str| text.parse().ok();
        // A header that the client itself sets is ignored.
        assert_eq!(
            address_of("192.0.2.7", "198.51.100.1"),
            address("192.0.2.7")
        );
        // The last address that is not one of our proxies is the one that our proxy saw.
        assert_eq!(
            address_of("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2"),
            address("203.0.113.9")
        );
        assert_eq!(address_of("10.0.0.1", "nonsense"), address("10.0.0.1"));
        assert_eq!(
            address_of("10.0.0.1", "198.51.100.1, unknown"),
            address("10.0.0.1")
        );
        assert_eq!(
            address_of("10.0.0.1", "198.51.100.1, 203.0.113.9:51234"),
            address("203.0.113.9")
        );
        // A dual-stack listener reports IPv4 peers as IPv4-mapped IPv6 addresses.
        assert_eq!(
            address_of("::ffff:10.0.0.1", "203.0.113.9"),
            address("203.0.113.9")
        );
    }
}
