//! The application state that every request shares.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::{
    admission::AdmissionLimits,
    health::Health,
    live::{LiveShares, stock_watch::StockWatch, stored_runs::StoredRunWatch},
    maintenance::old_data::RetentionStatus,
    rate_limit::RateLimits,
    request_id::failure_log::FailureLog,
    shared_catalog::SharedCatalog,
    unlisted_proxies::UnlistedProxies,
};
use crate::{
    db::{Db, session_store::DbSessionStore},
    metrics::TraceMetrics,
    shop::Shop,
    simulation::Engine,
};

/// A cheap handle on the shared state: the router clones it several times per request.
#[derive(Clone, Debug)]
pub struct AppState(Arc<ServerParts>);

impl AppState {
    /// Wraps the parts of a server.
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

/// The components and settings of a server process.
pub struct ServerParts {
    pub shop: Shop,
    pub engine: Engine,
    pub sessions: DbSessionStore,
    pub limits: Arc<RateLimits>,
    /// The limits of requests at once.
    pub admission: AdmissionLimits,
    /// The most open streams. They stay open for hours, and must leave connections for requests.
    pub streams_max: u64,
    pub stock_watch: StockWatch,
    pub stored_runs: StoredRunWatch,
    /// The URL of the database for the connection that listens to notices.
    pub notices_url: Arc<str>,
    pub catalog: SharedCatalog,
    /// The connections of the audits.
    pub audit_db: Db,
    /// The hour of the day, in UTC, of the daily full audit.
    pub audit_hour: u8,
    pub retention: RetentionStatus,
    pub health: Health,
    /// The numbers of exported and of lost spans; `None` if nothing is traced.
    pub traces: Option<Arc<TraceMetrics>>,
    pub live: LiveShares,
    /// The URL that browsers use, without a trailing slash.
    pub public_url: Arc<str>,
    /// The address on which the server listens.
    pub listens_on: SocketAddr,
    /// True if browsers connect over https.
    pub secure: bool,
    /// True if unknown callers may buy with `POST /api/purchase`.
    pub sells_by_express: bool,
    /// The secret that signs the payment provider's webhooks, and the keys of forms.
    pub payment_secret: Arc<str>,
    pub trusted_proxies: Arc<[IpAddr]>,
    pub unlisted_proxies: UnlistedProxies,
    pub failure_log: FailureLog,
    /// Cancelled when the server shuts down; open event streams end then.
    pub shutdown: CancellationToken,
}

/// Does not print the secret.
impl std::fmt::Debug for ServerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerParts")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}
