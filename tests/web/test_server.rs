//! The program's own server on a port of this machine.

use std::net::SocketAddr;

use doorbuster::web::{self, AppState, ConnectionLimits, ServerParts};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::support::{TestShop, parts};

/// A server that runs until it is dropped.
pub struct TestServer {
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl TestServer {
    /// Starts a server with the usual limits.
    pub async fn of(shop: &TestShop) -> Self {
        let limits = ConnectionLimits::new(1_000, 500, 10_000);
        Self::start(shop, limits, |_| {}).await
    }

    /// Starts a server with these limits, and whose parts `change` may change.
    pub async fn start(
        shop: &TestShop,
        limits: ConnectionLimits,
        change: impl FnOnce(&mut ServerParts),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
        change(&mut parts);
        let stop: CancellationToken = parts.shutdown.clone();
        let serving = web::serve(listener, AppState::new(parts), limits);
        tokio::spawn(async move { serving.await.expect("the public URL is an origin") });
        Self {
            address,
            _stop: stop.drop_guard(),
        }
    }
}
