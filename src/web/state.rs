//! What every request may use.

use std::{net::IpAddr, ops::Deref, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{live::stock_watch::StockWatch, rate_limit::RateLimits};
use crate::{db::session_store::DbSessionStore, shop::Shop, simulation::Engine};

/// One handle on all of it: the router clones it for each request, several times.
#[derive(Clone, Debug)]
pub struct AppState(Arc<ServerParts>);

impl AppState {
    /// What every request may use from now on.
    pub fn new(parts: ServerParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for AppState {
    type Target = ServerParts;

    fn deref(&self) -> &ServerParts {
        &self.0
    }
}

/// What a server is made of.
pub struct ServerParts {
    pub shop: Shop,
    pub engine: Engine,
    pub sessions: DbSessionStore,
    pub limits: Arc<RateLimits>,
    pub stock_watch: StockWatch,
    /// What people type to get here, without a slash at its end.
    pub public_url: Arc<str>,
    /// Whether people come over https.
    pub secure: bool,
    /// Between shop and provider: what its messages are signed with.
    pub payment_secret: Arc<str>,
    pub trusted_proxies: Arc<[IpAddr]>,
    /// Cancelled when the server is to stop: open streams end on it.
    pub shutdown: CancellationToken,
}

/// It holds a secret.
impl std::fmt::Debug for ServerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerParts")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}
