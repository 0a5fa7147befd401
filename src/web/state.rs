//! What every request may use.

use std::{net::IpAddr, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{live::stock_watch::StockWatch, rate_limit::RateLimits};
use crate::{db::session_store::DbSessionStore, shop::Shop, simulation::Engine};

/// Handles only: cheap to clone.
#[derive(Clone, Debug)]
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
    pub trusted_proxies: Arc<[IpAddr]>,
    /// Cancelled when the server is to stop: open streams end on it.
    pub shutdown: CancellationToken,
}
