//! The addresses at which an audience can reach this server. A server on a fresh start has an
//! address that leads every phone to itself.

use std::net::{IpAddr, SocketAddr};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use url::{Host, Url};

/// Who can reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everyone who can reach `PUBLIC_URL`.
    Public,
    /// `PUBLIC_URL` leads to the machine itself, but the server listens on other addresses of it.
    Network,
    /// The server listens only for connections of its own machine.
    OwnMachine,
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    pub reach: Reach,
    /// Where the audience opens a page, for example `http://192.0.2.7:3000`. At least one; the
    /// first is the default.
    pub origins: Vec<String>,
    /// The address on which the server listens.
    pub listens_on: SocketAddr,
    /// For [`Reach::OwnMachine`]: the origins that it would have if it listened on all addresses.
    pub possible: Vec<String>,
}

impl Audience {
    /// Finds the addresses of a server at `public_url` that listens on `listens_on`.
    pub fn of(public_url: &str, listens_on: SocketAddr) -> Self {
        if leads_elsewhere(public_url) {
            return Self::at(public_url, listens_on, &[]);
        }
        Self::at(public_url, listens_on, &own_addresses())
    }

    fn at(public_url: &str, listens_on: SocketAddr, own: &[IpAddr]) -> Self {
        let of =
            |address: IpAddr| format!("http://{}", SocketAddr::new(address, listens_on.port()));
        let audience = |reach, origins, possible| Self {
            reach,
            origins,
            listens_on,
            possible,
        };
        let public = vec![public_url.to_owned()];
        if leads_elsewhere(public_url) {
            return audience(Reach::Public, public, Vec::new());
        }
        let own: Vec<String> = own.iter().copied().map(of).collect();
        match listens_on.ip() {
            address if address.is_loopback() => audience(Reach::OwnMachine, public, own),
            address if !address.is_unspecified() => {
                audience(Reach::Network, vec![of(address)], Vec::new())
            }
            _ if own.is_empty() => audience(Reach::OwnMachine, public, own),
            _ => audience(Reach::Network, own, Vec::new()),
        }
    }

    /// Returns the origin with the host `host` if it is one of the server's, otherwise the default:
    /// no other text of a URL can get into a QR code.
    pub fn origin(&self, host: Option<&str>) -> &str {
        let has_host = |origin: &&String| host.is_some() && host_of(origin).as_deref() == host;
        let found = self.origins.iter().find(has_host);
        found.or(self.origins.first()).map_or("", String::as_str)
    }
}

/// Returns the host of an origin, by which a page's address chooses it.
pub fn host_of(origin: &str) -> Option<String> {
    Some(Url::parse(origin).ok()?.host()?.to_string())
}

/// Whether a URL leads to the same machine from everywhere.
fn leads_elsewhere(url: &str) -> bool {
    let parsed = Url::parse(url).ok();
    match parsed.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => !address.is_loopback() && !address.is_unspecified(),
        Some(Host::Ipv6(address)) => !address.is_loopback() && !address.is_unspecified(),
        None => false,
    }
}

/// Returns the addresses of this machine's network interfaces that others can use: IPv4 first,
/// which is shorter to type. Without the right to list them, there are none.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let mut found: Vec<IpAddr> = interfaces
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(is_for_others)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Whether another machine can use the address. One that is valid on one link only needs the name
/// of the interface, which a URL cannot hold.
fn is_for_others(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !address.is_loopback() && !address.is_unspecified() && !is_link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [IpAddr; 2] = [
        IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 5)),
        IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
    ];

    fn audience(public_url: &str, listens_on: &str) -> Audience {
        let listens_on = listens_on.parse().expect("an address");
        Audience::at(public_url, listens_on, &OWN)
    }

    #[test]
    fn a_public_url_is_the_only_address() {
        let audience = audience("https://sale.example", "0.0.0.0:3000");
        assert_eq!(audience.reach, Reach::Public);
        assert_eq!(audience.origins, ["https://sale.example"]);
        for elsewhere in [
            "http://192.168.1.5:3000",
            "http://shop.test",
            "http://[2001:db8::7]",
        ] {
            assert!(leads_elsewhere(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn an_address_of_the_machine_itself_is_replaced_by_those_of_its_network() {
        let both = ["http://192.168.1.5:3000", "http://[2001:db8::7]:3000"];
        for local in [
            "http://127.0.0.1:3000",
            "http://localhost:3000",
            "http://0.0.0.0:3000",
            "http://[::1]:3000",
            "http://shop.localhost:3000",
        ] {
            let audience = audience(local, "0.0.0.0:3000");
            assert_eq!(
                (audience.reach, &audience.origins[..]),
                (Reach::Network, &both.map(String::from)[..])
            );
            assert_eq!(audience.origin(None), both[0]);
            assert_eq!(audience.origin(Some("[2001:db8::7]")), both[1]);
            for foreign in [
                "evil.example",
                "127.0.0.1",
                "",
                "192.168.1.5:3000@evil.example",
            ] {
                assert_eq!(audience.origin(Some(foreign)), both[0], "{foreign}");
            }
        }
        let one = audience("http://127.0.0.1:3000", "192.168.1.9:3000");
        assert_eq!(one.origins, ["http://192.168.1.9:3000"]);
    }

    #[test]
    fn a_server_that_listens_for_its_own_machine_says_so() {
        let audience = audience("http://127.0.0.1:3000", "127.0.0.1:3000");
        assert_eq!(audience.reach, Reach::OwnMachine);
        assert_eq!(audience.origins, ["http://127.0.0.1:3000"]);
        assert_eq!(audience.possible.len(), 2);
        let offline = Audience::at("http://localhost", ([0, 0, 0, 0], 80).into(), &[]);
        assert_eq!(offline.reach, Reach::OwnMachine);
    }

    #[test]
    fn addresses_of_one_link_or_of_the_machine_itself_are_not_for_others() {
        for (address, expected) in [
            ("192.168.1.5", true),
            ("10.0.0.1", true),
            ("169.254.3.4", false),
            ("127.0.0.1", false),
            ("fe80::1", false),
            ("::1", false),
            ("2001:db8::7", true),
        ] {
            let parsed = address.parse().expect("an address");
            assert_eq!(is_for_others(&parsed), expected, "{address}");
        }
        assert!(own_addresses().iter().all(is_for_others));
    }
}
