//! Counts the requests in progress of each client network: the limit of requests at once knows by
//! it how much of the server one network has.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// See the module's documentation. Networks without a request in progress need no memory.
#[derive(Debug, Default)]
pub struct NetworkPlaces(Mutex<HashMap<IpAddr, u64>>);

impl NetworkPlaces {
    /// Takes a place for a request of `network`, and returns false if it has `places_max` already.
    pub fn take(&self, network: IpAddr, places_max: u64) -> bool {
        let mut places = self.lock();
        let taken = places.get(&network).copied().unwrap_or_default();
        if taken >= places_max {
            return false;
        }
        places.insert(network, taken + 1);
        true
    }

    /// Frees one place of `network`.
    pub fn free(&self, network: IpAddr) {
        let mut places = self.lock();
        if let Some(taken) = places.get_mut(&network) {
            *taken -= 1;
            if *taken == 0 {
                places.remove(&network);
            }
        }
    }

    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    const NETWORK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_network_takes_its_places_and_no_others() {
        let places = NetworkPlaces::default();
        assert!(places.take(NETWORK, 2) && places.take(NETWORK, 2));
        assert!(!places.take(NETWORK, 2));
        assert!(places.take(OTHER, 2));
        places.free(NETWORK);
        assert!(places.take(NETWORK, 2));
    }

    #[test]
    fn a_network_without_requests_needs_no_memory() {
        let places = NetworkPlaces::default();
        assert!(places.take(NETWORK, 2) && places.take(NETWORK, 2));
        places.free(NETWORK);
        assert_eq!(places.lock().len(), 1);
        places.free(NETWORK);
        assert!(places.lock().is_empty());
        assert!(!places.take(OTHER, 0));
        assert!(places.lock().is_empty());
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
                (0..PLACES).filter(|_| places.take(NETWORK, 100)).count()
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
        assert!(places.lock().is_empty());
    }
}
