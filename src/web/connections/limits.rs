//! The limits of connections.

use std::time::Duration;

/// Open files that are left for everything other than connections of clients: the database, the
/// payment provider, logs, and connections that are being refused.
const OTHER_FILES: u64 = 256;

/// How many connections may be open, and how long each may wait for its client.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Open connections in total.
    pub all: usize,
    /// Open connections, and forwarded requests in progress, of one client address.
    pub per_address: usize,
    /// From the start of a connection, or from the first byte of a later request, to the end of the
    /// request's headers.
    pub header: Duration,
    /// From a response to the first byte of the next request. It is longer than the minute for
    /// which proxies usually keep their connections, so that the proxy closes first and never sends
    /// a request into a connection that is just being closed.
    pub idle: Duration,
    /// How long a client may accept no byte of a response.
    pub write: Duration,
}

impl ConnectionLimits {
    /// Returns the limits for these numbers of connections, lowered so that the process may open
    /// `open_files` files, and so that no address can use more than half of all connections.
    pub fn new(all: u32, per_address: u32, open_files: u64) -> Self {
        let for_connections = open_files - OTHER_FILES.min(open_files / 2);
        let all = u64::from(all).min(for_connections).max(2);
        let per_address = u64::from(per_address).min(all / 2).max(1);
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            all: number(all),
            per_address: number(per_address),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(60),
        }
    }

    /// The most open streams: a quarter of the connections is left for requests.
    pub fn streams_max(&self) -> u64 {
        let all = u64::try_from(self.all).unwrap_or(u64::MAX);
        all - all / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files_and_other_addresses() {
        for (all, per_address, open_files, expected) in [
            (10_000, 2_000, 1_048_576, (10_000, 2_000)),
            (10_000, 2_000, 1_024, (768, 384)),
            (10_000, 2_000, 100, (50, 25)),
            (100, 2_000, 1_024, (100, 50)),
            (2, 1, 0, (2, 1)),
        ] {
            let limits = ConnectionLimits::new(all, per_address, open_files);
            assert_eq!((limits.all, limits.per_address), expected);
            let all = u64::try_from(limits.all).expect("small");
            assert!(limits.streams_max() < all || all < 4);
        }
    }
}
