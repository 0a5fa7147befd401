//! Counts the requests in progress of each client network: the limit of requests at once knows by
//! it how much of the server one network has.
//!
//! A network of IPv6 also counts for its site, a /48 network: that is what a customer of a provider
//! may have, and it contains 65,536 of the /64 networks that are counted.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// See the module's documentation. Networks without a request in progress need no memory.
#[derive(Debug, Default)]
pub struct NetworkPlaces(Mutex<TakenPlaces>);

#[derive(Debug, Default)]
struct TakenPlaces {
    networks: HashMap<IpAddr, u64>,
    sites: HashMap<Ipv6Addr, u64>,
}

/// How many places may be taken.
#[derive(Clone, Copy, Debug)]
pub struct PlacesMax {
    pub by_network: u64,
    pub by_site: u64,
}

impl NetworkPlaces {
    /// Takes a place for a request of `network`. Returns false if the network has its maximum
    /// already, or its site has.
    pub fn take(&self, network: IpAddr, max: PlacesMax) -> bool {
        let site = site_of(network);
        let mut taken = self.lock();
        let by_network = taken.networks.get(&network).copied().unwrap_or_default();
        let by_site = site.and_then(|site| taken.sites.get(&site).copied());
        let by_site = by_site.unwrap_or_default();
        if by_network >= max.by_network || by_site >= max.by_site {
            return false;
        }
        taken.networks.insert(network, by_network + 1);
        if let Some(site) = site {
            taken.sites.insert(site, by_site + 1);
        }
        true
    }

    /// Frees one place of `network`.
    pub fn free(&self, network: IpAddr) {
        let mut taken = self.lock();
        free_one(&mut taken.networks, &network);
        if let Some(site) = site_of(network) {
            free_one(&mut taken.sites, &site);
        }
    }

    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, TakenPlaces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn free_one<K: Eq + Hash>(places: &mut HashMap<K, u64>, key: &K) {
    if let Some(taken) = places.get_mut(key) {
        *taken -= 1;
        if *taken == 0 {
            places.remove(key);
        }
    }
}

/// Returns the site of a network of IPv6.
fn site_of(network: IpAddr) -> Option<Ipv6Addr> {
    let IpAddr::V6(network) = network else {
        return None;
    };
    let [a, b, c, ..] = network.segments();
    Some(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    const NETWORK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    /// A maximum for one network, as if there were no sites.
    const fn max(by_network: u64) -> PlacesMax {
        PlacesMax {
            by_network,
            by_site: u64::MAX,
        }
    }

    #[test]
    fn a_network_takes_its_places_and_no_others() {
        let places = NetworkPlaces::default();
        assert!(places.take(NETWORK, max(2)) && places.take(NETWORK, max(2)));
        assert!(!places.take(NETWORK, max(2)));
        assert!(places.take(OTHER, max(2)));
        places.free(NETWORK);
        assert!(places.take(NETWORK, max(2)));
    }

    #[test]
    fn the_networks_of_a_site_share_its_places() {
        let network = |site: u16, last: u16| IpAddr::from([0x2001, 0xdb8, site, last, 0, 0, 0, 0]);
        let max = PlacesMax {
            by_network: 2,
            by_site: 3,
        };
        let places = NetworkPlaces::default();
        assert!(places.take(network(1, 1), max) && places.take(network(1, 1), max));
        assert!(!places.take(network(1, 1), max), "the network has two");
        assert!(places.take(network(1, 2), max));
        assert!(!places.take(network(1, 2), max), "the site has three");
        assert!(places.take(network(2, 1), max));
        places.free(network(1, 1));
        assert!(places.take(network(1, 3), max));
        for [site, last] in [[1, 1], [1, 2], [1, 3], [2, 1]] {
            places.free(network(site, last));
        }
        let taken = places.lock();
        assert!(taken.networks.is_empty() && taken.sites.is_empty());
    }

    #[test]
    fn a_network_without_requests_needs_no_memory() {
        let places = NetworkPlaces::default();
        assert!(places.take(NETWORK, max(2)) && places.take(NETWORK, max(2)));
        places.free(NETWORK);
        assert_eq!(places.lock().networks.len(), 1);
        places.free(NETWORK);
        assert!(places.lock().networks.is_empty());
        assert!(!places.take(OTHER, max(0)));
        assert!(places.lock().networks.is_empty());
    }

    /// All threads ask at the same moment, and none frees a place before all have asked.
    #[test]
    fn requests_at_the_same_moment_get_no_place_twice() {
        const THREADS: usize = 8;
        const PLACES: usize = 100;
        let (places, together) = (NetworkPlaces::default(), Barrier::new(THREADS));
        let taken: usize = std::thread::scope(|scope| {
            let ask = || {
                together.wait();
                let taken = (0..PLACES).filter(|_| places.take(NETWORK, max(100)));
                taken.count()
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.map(|count| count.expect("it ends")).sum()
        });
        assert_eq!(taken, PLACES);
        std::thread::scope(|scope| {
            for _ in 0..PLACES {
                scope.spawn(|| places.free(NETWORK));
            }
        });
        assert!(places.lock().networks.is_empty());
    }
}
