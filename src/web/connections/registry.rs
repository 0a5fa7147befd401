//! Counts the open connections, and decides which of them makes room for a new one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{metrics::Refusal, web::rate_limit::network_of};

/// Why a connection or a forwarded request is refused: every connection that is counted serves a
/// request at the moment, so none can make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its client address has reached the limit of one address.
    Address,
    /// The limit of all connections is reached.
    All,
}

impl Refused {
    /// Returns the reason that is counted.
    pub const fn reason(self) -> Refusal {
        match self {
            Self::Address => Refusal::Address,
            Self::All => Refusal::All,
        }
    }
}

/// The open connections of a server.
#[derive(Debug)]
pub struct ConnectionRegistry {
    all_max: usize,
    per_address_max: usize,
    inner: Mutex<Inner>,
}

/// The right to one open connection, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    registry: Arc<ConnectionRegistry>,
    id: u64,
    evicted: Arc<Notify>,
}

/// A request of a client behind a proxy, counted until it is dropped.
#[derive(Debug)]
pub struct ForwardedRequest {
    registry: Arc<ConnectionRegistry>,
    address: IpAddr,
}

/// What a connection waits for. The order is the order in which connections make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Waiting {
    /// It has not sent a request yet.
    FirstRequest,
    /// It has had a response and may send another request.
    NextRequest,
}

/// The place of a waiting connection in that order: by kind, then the one that has waited longest.
type Place = (Waiting, u64);

#[derive(Debug, Default)]
struct Inner {
    /// Incremented for every id and every place.
    counter: u64,
    connections: HashMap<u64, Connection>,
    waiting: BTreeMap<Place, u64>,
    addresses: HashMap<IpAddr, OfAddress>,
}

#[derive(Debug)]
struct Connection {
    /// `None` if it comes from a proxy, which is not limited like a client.
    address: Option<IpAddr>,
    /// `None` while it serves a request.
    place: Option<Place>,
    evicted: Arc<Notify>,
}

/// What is counted for one client address.
#[derive(Debug, Default)]
struct OfAddress {
    /// Its connections, and its requests behind proxies.
    open: usize,
    waiting: BTreeSet<Place>,
}

impl ConnectionRegistry {
    /// Creates a registry that admits `all_max` connections, and `per_address_max` of one address.
    pub fn new(all_max: usize, per_address_max: usize) -> Self {
        Self {
            all_max,
            per_address_max,
            inner: Mutex::default(),
        }
    }

    /// Admits a new connection. If a limit is reached, a waiting connection is evicted: of those
    /// that have sent no request, the oldest; otherwise the one that has been idle for longest.
    ///
    /// `address` is `None` for a proxy.
    ///
    /// # Errors
    /// [`Refused`] if a limit is reached and no connection is waiting.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Slot, Refused> {
        let address = address.map(network_of);
        let mut inner = self.lock();
        if let Some(address) = address
            && inner.open_of(address) >= self.per_address_max
            && !inner.evict_from(address)
        {
            return Err(Refused::Address);
        }
        if inner.connections.len() >= self.all_max && !inner.evict_first() {
            return Err(Refused::All);
        }
        let evicted = Arc::new(Notify::new());
        let id = inner.add(address, Arc::clone(&evicted));
        drop(inner);
        Ok(Slot {
            registry: Arc::clone(self),
            id,
            evicted,
        })
    }

    /// Counts a request of a client behind a proxy like a connection of that client.
    ///
    /// # Errors
    /// [`Refused::Address`] if the limit of the address is reached.
    pub fn count_forwarded(self: &Arc<Self>, address: IpAddr) -> Result<ForwardedRequest, Refused> {
        let address = network_of(address);
        let mut inner = self.lock();
        if inner.open_of(address) >= self.per_address_max {
            return Err(Refused::Address);
        }
        inner.addresses.entry(address).or_default().open += 1;
        drop(inner);
        Ok(ForwardedRequest {
            registry: Arc::clone(self),
            address,
        })
    }

    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The connection serves a request and cannot be evicted.
    pub fn request_started(&self) {
        self.registry.lock().set_waiting(self.id, None);
    }

    /// The connection waits for its next request.
    pub fn request_ended(&self) {
        let next = Some(Waiting::NextRequest);
        self.registry.lock().set_waiting(self.id, next);
    }

    /// Returns once another connection needs the place of this one. It is no longer counted then.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.registry.lock().remove(self.id);
    }
}

impl Drop for ForwardedRequest {
    fn drop(&mut self) {
        self.registry.lock().release(self.address);
    }
}

impl Inner {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn open_of(&self, address: IpAddr) -> usize {
        self.addresses.get(&address).map_or(0, |of| of.open)
    }

    fn add(&mut self, address: Option<IpAddr>, evicted: Arc<Notify>) -> u64 {
        let id = self.next();
        if let Some(address) = address {
            self.addresses.entry(address).or_default().open += 1;
        }
        let connection = Connection {
            address,
            place: None,
            evicted,
        };
        self.connections.insert(id, connection);
        self.set_waiting(id, Some(Waiting::FirstRequest));
        id
    }

    /// Does nothing if the connection was evicted.
    fn set_waiting(&mut self, id: u64, waiting: Option<Waiting>) {
        let place = waiting.map(|waiting| (waiting, self.next()));
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut connection.place, place);
        let address = connection.address;
        if let Some(before) = before {
            self.waiting.remove(&before);
        }
        if let Some(place) = place {
            self.waiting.insert(place, id);
        }
        let Some(of_address) = address.and_then(|address| self.addresses.get_mut(&address)) else {
            return;
        };
        if let Some(before) = before {
            of_address.waiting.remove(&before);
        }
        if let Some(place) = place {
            of_address.waiting.insert(place);
        }
    }

    fn evict_from(&mut self, address: IpAddr) -> bool {
        let first = self
            .addresses
            .get(&address)
            .and_then(|of| of.waiting.first().copied());
        first.is_some_and(|place| self.evict(place))
    }

    fn evict_first(&mut self) -> bool {
        let first = self.waiting.keys().next().copied();
        first.is_some_and(|place| self.evict(place))
    }

    fn evict(&mut self, place: Place) -> bool {
        let id = self.waiting.get(&place).copied();
        let Some(connection) = id.and_then(|id| self.remove(id)) else {
            return false;
        };
        connection.evicted.notify_one();
        true
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        self.set_waiting(id, None);
        let connection = self.connections.remove(&id)?;
        if let Some(address) = connection.address {
            self.release(address);
        }
        Some(connection)
    }

    fn release(&mut self, address: IpAddr) {
        if let Some(of_address) = self.addresses.get_mut(&address) {
            of_address.open = of_address.open.saturating_sub(1);
            if of_address.open == 0 {
                self.addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn is_evicted(slot: &Slot) -> bool {
        slot.evicted().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_connection_without_a_request_makes_room_then_the_longest_idle_one() {
        let registry = Arc::new(ConnectionRegistry::new(4, 4));
        let admit = |last| registry.admit(address(last));
        let [idle, stalled, later, busy] = [1, 2, 3, 4].map(|last| admit(last).expect("room"));
        idle.request_started();
        idle.request_ended();
        busy.request_started();
        let mut admitted = Vec::new();
        for expected in [&stalled, &later, &idle] {
            let new = admit(5).expect("a connection makes room");
            new.request_started();
            admitted.push(new);
            assert!(is_evicted(expected));
        }
        assert!(!is_evicted(&busy));
        assert_eq!(admit(6).err(), Some(Refused::All));
        // An evicted connection that ends is not counted a second time.
        drop((idle, stalled, later));
        assert_eq!(admit(6).err(), Some(Refused::All));
        drop(busy);
        assert!(admit(6).is_ok());
    }

    #[test]
    fn an_address_evicts_only_its_own_connections() {
        let registry = Arc::new(ConnectionRegistry::new(100, 2));
        let admit = |last| registry.admit(address(last));
        let other = admit(1).expect("room");
        let [first, second] = [(); 2].map(|()| admit(2).expect("room"));
        let third = admit(2).expect("the first one makes room");
        assert!(is_evicted(&first) && !is_evicted(&second) && !is_evicted(&other));
        second.request_started();
        third.request_started();
        assert_eq!(admit(2).err(), Some(Refused::Address));
        drop(second);
        assert!(admit(2).is_ok());
    }

    #[test]
    fn a_proxy_is_not_limited_but_its_clients_are() {
        let registry = Arc::new(ConnectionRegistry::new(100, 2));
        let connections: Vec<_> = (0..50).map(|_| registry.admit(None)).collect();
        assert!(connections.iter().all(Result::is_ok));
        let client = IpAddr::from([192, 0, 2, 1]);
        let requests = [(); 2].map(|()| registry.count_forwarded(client));
        assert!(requests.iter().all(Result::is_ok));
        assert_eq!(
            registry.count_forwarded(client).err(),
            Some(Refused::Address)
        );
        drop(requests);
        assert!(registry.count_forwarded(client).is_ok());
        drop(connections);
        let inner = registry.lock();
        assert!(inner.addresses.is_empty() && inner.connections.is_empty());
        assert!(inner.waiting.is_empty());
    }
}
