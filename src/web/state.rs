//! What every request may use.

use std::{net::IpAddr, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{live::stock_watch::StockWatch, rate_limit::RateLimits};
use crate::{db::session_store::DbSessionStore, shop::Shop, simulation::Engine};

/// Handles only: cheap to clone.
#[derive(Clone)]
pub struct AppState {
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
impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}
