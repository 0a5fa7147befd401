//! Warns about a proxy that is missing in `TRUSTED_PROXIES`. Its clients are counted as one, which
//! shows only when the server refuses them.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use axum::http::{Extensions, HeaderMap};

use super::client_address::{FORWARDED_FOR, is_trusted, peer_of};

/// Logs one such proxy in the life of the server: clients may send the header, too, and must not
/// fill the log.
#[derive(Debug, Default)]
pub struct UnlistedProxies {
    is_logged: AtomicBool,
}

impl UnlistedProxies {
    /// Logs the sender of a request if it is the first such proxy.
    pub fn observe(&self, headers: &HeaderMap, extensions: &Extensions, trusted: &[IpAddr]) {
        let peer = peer_of(extensions);
        let is_unlisted = headers.contains_key(FORWARDED_FOR)
            && is_of_private_network(peer)
            && !is_trusted(peer, trusted);
        if is_unlisted && !self.is_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "a proxy forwards requests, but is not in TRUSTED_PROXIES: all its clients are counted as one"
            );
        }
    }
}

/// True for the addresses that a proxy beside the server has, or the gateway of its container.
/// Any other one may be that of a client, which the log does not name.
fn is_of_private_network(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{extract::ConnectInfo, http::HeaderValue};

    use super::*;

    /// Returns true if a request from `peer` through no other proxy than 10.0.0.1 is logged.
    fn is_logged(peer: &str, forwarded: Option<&'static str>) -> bool {
        let (mut headers, mut extensions) = (HeaderMap::new(), Extensions::new());
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        extensions.insert(ConnectInfo(SocketAddr::new(address(peer), 1)));
        if let Some(forwarded) = forwarded {
            headers.insert(FORWARDED_FOR, HeaderValue::from_static(forwarded));
        }
        let proxies = UnlistedProxies::default();
        proxies.observe(&headers, &extensions, &[address("10.0.0.1")]);
        proxies.is_logged.into_inner()
    }

    #[test]
    fn a_proxy_of_a_private_network_is_logged_and_a_client_is_not() {
        let forwarded = Some("203.0.113.9");
        for gateway in [
            "172.17.0.1",
            "::ffff:172.17.0.1",
            "127.0.0.1",
            "::1",
            "fd00::1",
        ] {
            assert!(is_logged(gateway, forwarded), "{gateway}");
            assert!(!is_logged(gateway, None), "{gateway} forwards nothing");
        }
        for not_logged in ["10.0.0.1", "203.0.113.9", "2001:db8::1", "0.0.0.0"] {
            assert!(!is_logged(not_logged, forwarded), "{not_logged}");
        }
    }
}
