//! Restarts the server when it ends although the program did not stop it: after `kill -9`, or when
//! the system ran out of memory.
//!
//! The new server has the same socket, so the URL stays valid, and the pools connect again. Every
//! committed change is recovered from the write-ahead log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::EmbeddedError;
use super::launch::{self, Launched};
use super::owner::OwnerLock;
use super::server::{Durability, Server};

/// The pause before the first restart. It doubles with each restart that does not last.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// A server that ran for this long was restarted successfully.
const STABLE_AFTER: Duration = Duration::from_secs(30);
/// After so many failed starts in a row, the server cannot be restarted.
const STARTS_FAILED_MAX: u32 = 6;

/// The task that watches a server of this process.
#[derive(Debug)]
pub(super) struct Supervisor {
    stop: CancellationToken,
    /// Returns the running server, if there is one at that moment.
    task: JoinHandle<Option<Server>>,
    /// Set once the server cannot be restarted.
    lost: watch::Receiver<Option<Arc<EmbeddedError>>>,
}

impl Supervisor {
    /// Watches `server`, whose data folder is `data_dir` and whose connection URL is `url`.
    pub(super) fn watch(
        data_dir: PathBuf,
        url: String,
        durability: Durability,
        server: Server,
    ) -> Self {
        let stop = CancellationToken::new();
        let (report, lost) = watch::channel(None);
        let watched = WatchedServer {
            data_dir,
            url,
            durability,
            backoff: BACKOFF_FIRST,
        };
        let task = tokio::spawn({
            let stop = stop.clone();
            async move {
                match watched.keep_running(server, &stop).await {
                    Ok(running) => running,
                    Err(error) => {
                        report.send_replace(Some(Arc::new(error)));
                        None
                    }
                }
            }
        });
        Self { stop, task, lost }
    }

    /// Returns once the server has ended and cannot be restarted.
    pub(super) async fn lost(&self) -> EmbeddedError {
        let mut lost = self.lost.clone();
        loop {
            if let Some(reason) = lost.borrow_and_update().clone() {
                return EmbeddedError::Lost { reason };
            }
            if lost.changed().await.is_err() {
                // The task was stopped, so the server was not lost.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends the supervision. Returns the server, or `None` if it has ended.
    pub(super) async fn release(mut self) -> Option<Server> {
        self.stop.cancel();
        (&mut self.task).await.unwrap_or_default()
    }
}

impl Drop for Supervisor {
    /// The task then drops the server, which asks it to shut down.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct WatchedServer {
    data_dir: PathBuf,
    url: String,
    durability: Durability,
    backoff: Duration,
}

impl WatchedServer {
    /// Restarts the server whenever it ends, until `stop` is cancelled.
    async fn keep_running(
        mut self,
        mut server: Server,
        stop: &CancellationToken,
    ) -> Result<Option<Server>, EmbeddedError> {
        loop {
            let started = Instant::now();
            if stop.run_until_cancelled(server.ended()).await.is_none() {
                return Ok(Some(server));
            }
            tracing::error!(
                status = server.end_status(),
                "PostgreSQL ended unexpectedly; restarting it"
            );
            if started.elapsed() > STABLE_AFTER {
                self.backoff = BACKOFF_FIRST;
            }
            let lock = server.lock();
            // No other process may attach until the next server runs.
            drop(server);
            let Some(restarted) = stop.run_until_cancelled(self.restart(lock)).await else {
                return Ok(None);
            };
            server = restarted?;
            tracing::info!("PostgreSQL runs again");
        }
    }

    async fn restart(&mut self, lock: Arc<OwnerLock>) -> Result<Server, EmbeddedError> {
        let mut failed = 0;
        loop {
            tokio::time::sleep(self.backoff).await;
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
            let restarted = launch::restart(&self.data_dir, Arc::clone(&lock), self.durability);
            let error = match restarted.await {
                Ok(Launched { server, url }) if url == self.url => return Ok(server),
                Ok(Launched { url, .. }) => return Err(EmbeddedError::SocketMoved { url }),
                Err(error) => error,
            };
            failed += 1;
            if failed == STARTS_FAILED_MAX {
                return Err(error);
            }
            tracing::warn!(%error, "PostgreSQL did not start; trying again");
        }
    }
}
