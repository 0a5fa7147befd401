//! Accepts connections, with deadlines for what a client has to send and to accept, and with limits
//! for all connections and for those of one client address. `axum::serve` has neither.
//!
//! A connection that waits for its client makes room for a new one, so clients that stall cannot
//! keep others out. Streams are requests in progress: they count, and nothing displaces them.

mod activity;
mod connection;
mod limits;
mod registry;
mod stream;

pub use activity::KeepingBody;
pub use limits::ConnectionLimits;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    serve::{Listener, ListenerExt},
};
use hyper_util::service::TowerToHyperService;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    activity::Activity,
    registry::{ConnectionRegistry, Refused, Slot},
};
use super::client_address::is_trusted;
use crate::metrics::RefusalMetrics;

/// Clients that may be refused at the same time with an answer. Further ones are disconnected.
const REFUSALS_MAX: usize = 64;
/// How long connections may take to end after the time for open requests has passed.
const END_MAX: Duration = Duration::from_millis(500);

/// What a server of connections needs.
pub struct ConnectionSettings {
    pub router: Router,
    pub limits: ConnectionLimits,
    pub trusted_proxies: Arc<[IpAddr]>,
    /// True if browsers connect over https.
    pub is_secure: bool,
    pub refusals: Arc<RefusalMetrics>,
    /// Cancelled when the server stops.
    pub shutdown: CancellationToken,
    /// How long requests may go on afterwards.
    pub drain: Duration,
}

/// What all connections share.
struct Shared {
    router: TowerToHyperService<Router>,
    limits: ConnectionLimits,
    registry: Arc<ConnectionRegistry>,
    trusted_proxies: Arc<[IpAddr]>,
    is_secure: bool,
    shutdown: CancellationToken,
    drain: Duration,
    /// Limits the clients that are refused with an answer.
    answers: Semaphore,
    refusals: Arc<RefusalMetrics>,
    /// Requests that were cut off.
    unfinished: AtomicUsize,
}

impl Shared {
    fn new(settings: ConnectionSettings) -> Self {
        let limits = settings.limits;
        Self {
            router: TowerToHyperService::new(settings.router),
            limits,
            registry: ConnectionRegistry::new(limits.all, limits.per_address).into(),
            trusted_proxies: settings.trusted_proxies,
            is_secure: settings.is_secure,
            shutdown: settings.shutdown,
            drain: settings.drain,
            answers: Semaphore::new(REFUSALS_MAX),
            refusals: settings.refusals,
            unfinished: AtomicUsize::new(0),
        }
    }

    fn admit(&self, peer: SocketAddr) -> Result<Slot, Refused> {
        let address = peer.ip();
        let is_client = !is_trusted(address, &self.trusted_proxies);
        self.registry.admit(is_client.then_some(address))
    }

    fn count_if_serving(&self, activity: &Activity) {
        if self.shutdown.is_cancelled() && activity.is_serving() {
            self.unfinished.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Accepts connections until the server stops, and lets open requests finish.
pub async fn serve(listener: TcpListener, settings: ConnectionSettings) {
    let shared = Arc::new(Shared::new(settings));
    let tasks = TaskTracker::new();
    // Nagle's algorithm would delay the second half of every page by 40 ms.
    let mut listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.shutdown.cancelled() => break,
        };
        match shared.admit(peer) {
            Ok(slot) => {
                tasks.spawn(connection::serve(stream, peer, slot, Arc::clone(&shared)));
            }
            Err(refused) => refuse(stream, refused, &shared, &tasks),
        }
        // A connection that was evicted is closed by its own task, which has to run before this one
        // opens many others.
        tokio::task::yield_now().await;
    }
    // From now on, clients are refused by the system.
    drop(listener);
    tasks.close();
    let ended = tokio::time::timeout(shared.drain + END_MAX, tasks.wait()).await;
    let unfinished = shared.unfinished.load(Ordering::Relaxed);
    if ended.is_err() || unfinished > 0 {
        tracing::warn!(
            unfinished,
            "dropped requests that were still open after the drain timeout"
        );
    }
}

fn refuse(stream: TcpStream, refused: Refused, shared: &Arc<Shared>, tasks: &TaskTracker) {
    tracing::debug!(?refused, "no room for a connection");
    shared.refusals.refused(refused.reason());
    let shared = Arc::clone(shared);
    tasks.spawn(async move {
        if let Ok(_turn) = shared.answers.try_acquire() {
            connection::refuse(stream, refused, Arc::clone(&shared)).await;
        }
    });
}
