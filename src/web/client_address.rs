//! The IP address of the client that sent a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, HeaderName},
};

/// The header in which a proxy names its client.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client that sent a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestClient {
    /// The address of the connection or, if that is a trusted proxy, the address that it names.
    Named(IpAddr),
    /// A trusted proxy that names no client: it sent the request itself, as in a health check.
    Proxy(IpAddr),
    /// This trusted proxy names a client by something that is no address. Such clients are counted
    /// as one, and never pass for the proxy itself, which is not limited.
    Unreadable(IpAddr),
}

impl RequestClient {
    /// Returns the address by which the client is counted.
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Named(address) | Self::Proxy(address) | Self::Unreadable(address) => address,
        }
    }
}

/// Returns the address of the connection or, if that is a trusted proxy, the last address in
/// `X-Forwarded-For` that is not a trusted proxy.
///
/// The function reads the list from its end, where our proxies append, and stops at the first
/// entry that it cannot parse: the client can forge everything before that. It reads bytes, because
/// the part of the client may contain any, and must not hide what a proxy has appended.
pub fn client_of(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted_proxies: &[IpAddr],
) -> RequestClient {
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    let mut nearest = peer_of(extensions);
    for hop in hops {
        if !is_trusted(nearest, trusted_proxies) {
            break;
        }
        match parse_hop(hop) {
            Some(address) => nearest = address,
            None => return RequestClient::Unreadable(nearest),
        }
    }
    if is_trusted(nearest, trusted_proxies) {
        RequestClient::Proxy(nearest)
    } else {
        RequestClient::Named(nearest)
    }
}

/// Returns the address by which the client of a request is counted. See [`client_of`].
pub fn client_address(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted_proxies: &[IpAddr],
) -> IpAddr {
    client_of(headers, extensions, trusted_proxies).address()
}

/// Returns the address of the connection; it is unspecified if there is none.
pub fn peer_of(extensions: &Extensions) -> IpAddr {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
            peer.ip().to_canonical()
        })
}

/// Returns true if `address` is one of the trusted proxies.
pub fn is_trusted(address: IpAddr, trusted_proxies: &[IpAddr]) -> bool {
    trusted_proxies
        .iter()
        .any(|proxy| proxy.to_canonical() == address.to_canonical())
}

/// Parses `203.0.113.9`, `203.0.113.9:51234`, `2001:db8::1` or `[2001:db8::1]:51234`.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let address = hop
        .parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Returns the client of a request from `peer` with these values of the header.
    fn client(peer: &str, forwarded: &[&[u8]]) -> RequestClient {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(address(peer), 1)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let value = HeaderValue::from_bytes(value).expect("a value");
            headers.append(FORWARDED_FOR, value);
        }
        let proxies = [address("10.0.0.1"), address("10.0.0.2")];
        client_of(&headers, &extensions, &proxies)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_a_trusted_proxy_can_forward_an_address() {
        let named = |text: &str| RequestClient::Named(address(text));
        // A header that the client itself sets is ignored.
        assert_eq!(client("192.0.2.7", &[b"198.51.100.1"]), named("192.0.2.7"));
        assert_eq!(client("192.0.2.7", &[b"\xff"]), named("192.0.2.7"));
        // The last address that is not one of our proxies is the one that our proxy saw.
        assert_eq!(
            client("10.0.0.1", &[b"198.51.100.1, 203.0.113.9, 10.0.0.2"]),
            named("203.0.113.9")
        );
        assert_eq!(
            client("10.0.0.1", &[b"198.51.100.1, 203.0.113.9:51234"]),
            named("203.0.113.9")
        );
        // A dual-stack listener reports IPv4 peers as IPv4-mapped IPv6 addresses.
        assert_eq!(
            client("::ffff:10.0.0.1", &[b"203.0.113.9"]),
            named("203.0.113.9")
        );
    }

    #[test]
    fn what_a_client_sends_hides_nothing_that_a_proxy_appends() {
        let expected = RequestClient::Named(address("192.0.2.7"));
        let own: [&[u8]; 5] = [b"\xff", b"", b",,", b"unknown", b"\xff, 10.0.0.2"];
        for own in own {
            let appended = [own, b", 192.0.2.7"].concat();
            assert_eq!(client("10.0.0.1", &[&appended]), expected, "{own:?}");
            // A proxy may also append a header of its own.
            assert_eq!(client("10.0.0.1", &[own, b"192.0.2.7"]), expected);
        }
    }

    #[test]
    fn only_a_proxy_that_names_no_client_sent_the_request_itself() {
        let [first, second] = [address("10.0.0.1"), address("10.0.0.2")];
        assert_eq!(client("10.0.0.1", &[]), RequestClient::Proxy(first));
        let through_first = client("10.0.0.1", &[b"10.0.0.2"]);
        assert_eq!(through_first, RequestClient::Proxy(second));
        let unreadable: [(&[u8], IpAddr); 6] = [
            (b"\xff", first),
            (b"", first),
            (b"nonsense", first),
            (b"198.51.100.1, unknown", first),
            (b"198.51.100.1, \xff", first),
            (b"unknown, 10.0.0.2", second),
        ];
        for (forwarded, proxy) in unreadable {
            let client = client("10.0.0.1", &[forwarded]);
            assert_eq!(client, RequestClient::Unreadable(proxy), "{forwarded:?}");
            assert_eq!(client.address(), proxy);
        }
    }
}
