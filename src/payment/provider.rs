//! The simulated payment provider: a separate program with its own tables and connections. The shop
//! reaches it over HTTP only, as it would reach any other provider, and the provider notifies the
//! shop by webhooks.
//!
//! It may be killed at any moment and restarted, also beside another provider process on the same
//! database: all pending work is stored in its tables.

mod api;
mod operations;
mod request_error;
mod settler;
mod store;
pub mod test_cards;
mod webhook_schedule;
mod webhook_sender;
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

/// How long a charge or a refund takes by default.
pub const LATENCY_MS: u64 = 60;
/// The longest configurable latency of a charge or a refund.
pub const LATENCY_MS_MAX: u64 = 60_000;
/// How long open requests may continue after the provider was stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the workers may take for their current step. Webhooks that are interrupted there are
/// sent again later.
const LAST_STEP_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the provider checks whether it is idle.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Settings of a provider.
#[derive(Clone)]
pub struct ProviderSettings {
    /// The URL of the database. The tables are created in the schema `provider`.
    pub database_url: String,
    /// Authenticates requests to the provider, and signs its webhooks.
    pub secret: String,
    /// Where webhooks go. `None`: events are stored until the URL is set.
    pub webhook_url: Option<Url>,
    /// How long a charge or a refund takes.
    pub latency: Duration,
    /// The provider exits after this time without a request, once no work is pending.
    pub exit_when_idle: Option<Duration>,
}

/// Why a provider could not start, or stopped on its own.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not create the HTTP client for webhooks: {0}")]
    Client(#[from] reqwest::Error),
    #[error("the payment provider stopped: {0}")]
    Io(#[from] std::io::Error),
}

/// The state that handlers and workers share.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    store: Store,
    secret: String,
    latency: Duration,
    webhook_url: watch::Sender<Option<Url>>,
    /// Notified when events may be due.
    events: Notify,
    last_request_at: Mutex<Instant>,
    /// Cancelled when the provider stops.
    stop: CancellationToken,
}

impl Provider {
    /// Creates a provider without its background workers, which [`serve`] starts. `stop` ends
    /// requests that are waiting.
    ///
    /// # Errors
    /// [`ProviderError::Store`] if the URL is not that of a database. It does not connect yet.
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
            last_request_at: Mutex::new(Instant::now()),
            stop,
        })))
    }

    /// Records a request, which postpones the idle exit.
    fn record_request(&self) {
        *self.last_request_at() = Instant::now();
    }

    fn last_request_at(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.0
            .last_request_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once there was no request for `idle` and no work is pending. An unavailable database
    /// does not prevent the exit: the pending work is stored in it.
    async fn wait_until_idle(&self, idle: Duration) {
        loop {
            tokio::time::sleep(IDLE_CHECK_INTERVAL).await;
            let last_request_at = *self.last_request_at();
            if last_request_at.elapsed() < idle {
                continue;
            }
            let are_delivered = self.0.webhook_url.borrow().is_some();
            if !self
                .0
                .store
                .has_pending_work(are_delivered)
                .await
                .unwrap_or(false)
            {
                return;
            }
        }
    }
}

/// Serves until `shutdown` is cancelled or the provider is idle, then lets open requests finish.
pub async fn serve(
    listener: TcpListener,
    settings: ProviderSettings,
    shutdown: CancellationToken,
) -> Result<(), ProviderError> {
    let stop = shutdown.child_token();
    let provider = Provider::new(&settings, stop.clone())?;
    let webhook_sender = webhook_sender::WebhookSender::new(provider.clone())?;
    let mut background = JoinSet::new();
    background.spawn(webhook_sender.run());
    background.spawn(settler::settle_charges(provider.clone()));
    background.spawn(settler::settle_refunds(provider.clone()));
    if let Some(idle) = settings.exit_when_idle {
        let (provider, stop) = (provider.clone(), stop.clone());
        background.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = provider.wait_until_idle(idle) => {
                    tracing::info!("the payment provider is idle and exits");
                    stop.cancel();
                }
            }
        });
    }
    let served = serve_requests(listener, provider.clone(), &stop).await;
    stop.cancel();
    let last_steps = async { while background.join_next().await.is_some() {} };
    // Workers that take longer are aborted with the set.
    let _ = tokio::time::timeout(LAST_STEP_TIMEOUT, last_steps).await;
    background.shutdown().await;
    provider.0.store.close().await;
    Ok(served?)
}

async fn serve_requests(
    listener: TcpListener,
    provider: Provider,
    stop: &CancellationToken,
) -> Result<(), std::io::Error> {
    // Nagle's algorithm would delay the second half of a response by 40 ms.
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
