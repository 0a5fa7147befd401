//! The simulated payment provider: a program of its own, with its own tables and its own connections. The shop reaches it over HTTP
//! only, as it would reach any other, and it tells the shop of its own accord by webhooks.
//!
//! It may be killed at any moment and started again, also beside another on the same database: what it owes stands in its tables.

mod api;
mod courier;
mod desk;
mod notice;
mod refusal;
mod settler;
mod store;
pub mod test_cards;
mod worker;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::serve::ListenerExt;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use api::router;
pub use store::StoreError;

use store::Store;

/// How long a charge or a refund takes, unless told otherwise.
pub const LATENCY_MS: u64 = 60;
/// The longest that a charge or a refund may be made to take.
pub const LATENCY_MS_MAX: u64 = 60_000;
/// How long open requests may go on once the provider is to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the workers may take for what they have begun. Webhooks that are dropped there are told again, but later.
const LAST_STEP_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is looked whether anybody still needs the provider.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What a provider has to know.
#[derive(Clone)]
pub struct ProviderSettings {
    /// Of PostgreSQL; the tables are made in the schema `provider`.
    pub database_url: String,
    /// Who has it may give orders, and believes the webhooks.
    pub secret: String,
    /// Where webhooks go. `None`: events are kept until somebody says where.
    pub webhook_url: Option<Url>,
    /// How long a charge or a refund takes.
    pub latency: Duration,
    /// The provider stops once nobody has asked it anything for so long, and nothing is yet to be settled.
    pub exit_when_idle: Option<Duration>,
}

/// Why a provider stopped before it was told to, or never started.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there can be no client for webhooks: {0}")]
    Client(#[from] reqwest::Error),
    #[error("the payment provider stopped: {0}")]
    Io(#[from] std::io::Error),
}

/// A provider, as its handlers and workers see it.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    store: Store,
    secret: String,
    latency: Duration,
    webhook_url: watch::Sender<Option<Url>>,
    /// Woken when events may be due.
    events: Notify,
    asked_at: Mutex<Instant>,
    /// Cancelled when the provider is to stop.
    stop: CancellationToken,
}

impl Provider {
    /// A provider that does nothing of its own accord yet; [`serve`] makes one that does. `stop` ends requests that wait.
    ///
    /// # Errors
    /// [`ProviderError::Store`] for a URL that is not one of PostgreSQL. Whether anybody answers there is seen later.
    pub fn new(
        settings: &ProviderSettings,
        stop: CancellationToken,
    ) -> Result<Self, ProviderError> {
        Ok(Self(Arc::new(Inner {
            store: Store::open(&settings.database_url)?,
            secret: settings.secret.clone(),
            latency: settings.latency,
            webhook_url: watch::Sender::new(settings.webhook_url.clone()),
            events: Notify::new(),
            asked_at: Mutex::new(Instant::now()),
            stop,
        })))
    }

    /// Notes that somebody needs us.
    fn asked(&self) {
        *self.asked_at() = Instant::now();
    }

    fn asked_at(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.0
            .asked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once nobody has asked for `idle` and nothing is owed. A database that is away keeps nobody here: what is owed
    /// stands in it.
    async fn until_idle(&self, idle: Duration) {
        loop {
            tokio::time::sleep(IDLE_CHECK_INTERVAL).await;
            let asked_at = *self.asked_at();
            if asked_at.elapsed() < idle {
                continue;
            }
            let are_told = self.0.webhook_url.borrow().is_some();
            if !self.0.store.owes_anything(are_told).await.unwrap_or(false) {
                return;
            }
        }
    }
}

/// Serves until `shutdown` is cancelled or nobody needs the provider any more, then lets open requests finish.
///
/// # Errors
/// [`ProviderError`].
pub async fn serve(
    listener: TcpListener,
    settings: ProviderSettings,
    shutdown: CancellationToken,
) -> Result<(), ProviderError> {
    let stop = shutdown.child_token();
    let provider = Provider::new(&settings, stop.clone())?;
    let courier = courier::Courier::new(provider.clone())?;
    let mut background = JoinSet::new();
    background.spawn(courier.run());
    background.spawn(settler::settle_charges(provider.clone()));
    background.spawn(settler::settle_refunds(provider.clone()));
    if let Some(idle) = settings.exit_when_idle {
        let (provider, stop) = (provider.clone(), stop.clone());
        background.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = provider.until_idle(idle) => {
                    tracing::info!("nobody needs this payment provider any more");
                    stop.cancel();
                }
            }
        });
    }
    let served = answer(listener, provider.clone(), &stop).await;
    stop.cancel();
    let last_steps = async { while background.join_next().await.is_some() {} };
    // Those that take longer are aborted with the set.
    let _ = tokio::time::timeout(LAST_STEP_TIMEOUT, last_steps).await;
    background.shutdown().await;
    provider.0.store.close().await;
    Ok(served?)
}

async fn answer(
    listener: TcpListener,
    provider: Provider,
    stop: &CancellationToken,
) -> Result<(), std::io::Error> {
    // Nagle's algorithm would hold the second half of an answer back for 40 ms.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let stopped = stop.clone();
    let served = axum::serve(listener, router(provider))
        .with_graceful_shutdown(async move { stopped.cancelled().await });
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = served => result,
        () = overdue => Ok(()),
    }
}
