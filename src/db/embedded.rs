//! The embedded PostgreSQL server.
//!
//! Without a `DATABASE_URL` the shop starts its own server on a folder, so that it runs without any
//! setup. The server listens only on a private unix socket, keeps every committed change, and ends
//! with the program however that ends. Processes that share a data folder share one server: the
//! first process owns it, the others attach.

mod account;
mod cluster;
mod error;
mod fetch;
mod launch;
mod leftover;
mod log;
mod owner;
mod pidfile;
mod place;
mod process;
mod programs;
mod server;
mod socket;
mod supervisor;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::EmbeddedError;
use launch::Launched;
use owner::LockAttempt;
use pidfile::PidFile;
use server::{Durability, Server};
use supervisor::Supervisor;

const ATTACH_POLL: Duration = Duration::from_millis(50);
const ATTACH_TIME: Duration = Duration::from_secs(30);
/// How long the server may take to shut down if nothing waits for this process.
const STOP_TIME: Duration = Duration::from_secs(70);

/// A running server, owned by this process or by another one.
///
/// Dropping the owner's handle asks the server to shut down but does not wait; [`stop`](Self::stop)
/// does.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    url: String,
    data_dir: PathBuf,
    durability: Durability,
    server: OwnedServer,
}

#[derive(Debug)]
enum OwnedServer {
    /// Another process owns the server.
    None,
    Running(Server),
    Supervised(Supervisor),
}

impl EmbeddedPostgres {
    /// True if `data_dir` has a cluster, or names one elsewhere.
    pub fn exists(data_dir: &Path) -> Result<bool, EmbeddedError> {
        place::names_cluster(data_dir)
    }

    /// Starts the server on the cluster in `data_dir`, and creates both if they are missing; or
    /// attaches to the server that a running process already owns there.
    pub async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        Self::start_with(data_dir, Durability::Disk).await
    }

    /// The same without waiting for the disk, for databases that need not survive a power cut, such
    /// as those of tests.
    pub async fn start_without_durability(data_dir: &Path) -> Result<Self, EmbeddedError> {
        Self::start_with(data_dir, Durability::OperatingSystem).await
    }

    async fn start_with(data_dir: &Path, durability: Durability) -> Result<Self, EmbeddedError> {
        let data_dir = place::open_data_dir(data_dir)?;
        let deadline = Instant::now() + ATTACH_TIME;
        loop {
            // Tried again each time, because the owner may exit while we wait.
            let owner = match owner::try_acquire(&data_dir)? {
                LockAttempt::Acquired(lock) => {
                    let launched = launch::start(&data_dir, lock, durability);
                    let Launched { server, url } = launched.await?;
                    return Ok(Self {
                        url,
                        data_dir,
                        durability,
                        server: OwnedServer::Running(server),
                    });
                }
                LockAttempt::HeldBy(owner) => owner,
            };
            if let Some(url) = url_of_server(&data_dir, owner)? {
                tracing::debug!("attached to the PostgreSQL server of another process");
                return Ok(Self {
                    url,
                    data_dir,
                    durability,
                    server: OwnedServer::None,
                });
            }
            if Instant::now() > deadline {
                return Err(EmbeddedError::OwnerUnresponsive {
                    pid: owner,
                    data_dir,
                    seconds: ATTACH_TIME.as_secs(),
                });
            }
            tokio::time::sleep(ATTACH_POLL).await;
        }
    }

    /// Restarts the server from now on whenever it ends, if this process owns it.
    #[must_use]
    pub fn supervised(self) -> Self {
        let server = match self.server {
            OwnedServer::Running(server) => OwnedServer::Supervised(Supervisor::watch(
                self.data_dir.clone(),
                self.url.clone(),
                self.durability,
                server,
            )),
            other => other,
        };
        Self { server, ..self }
    }

    /// Returns once a supervised server has ended and cannot be restarted.
    pub async fn lost(&self) -> EmbeddedError {
        match &self.server {
            OwnedServer::Supervised(supervisor) => supervisor.lost().await,
            OwnedServer::None | OwnedServer::Running(_) => std::future::pending().await,
        }
    }

    /// Returns the URL of the shop's database on this server. The role exists; the caller creates
    /// the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether another process owns the server, which then ends with that process.
    pub fn is_attached(&self) -> bool {
        matches!(self.server, OwnedServer::None)
    }

    /// Shuts the server down and waits until it has ended, if this process owns it.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        self.stop_within(STOP_TIME).await
    }

    /// The same in at most `limit`: a server that does not shut down in time is killed. Committed
    /// changes are kept in any case, and recovered at the next start.
    ///
    /// # Errors
    /// [`EmbeddedError::UncleanShutdown`] if the server had to be killed, or had ended before.
    pub async fn stop_within(self, limit: Duration) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + limit;
        let server = match self.server {
            OwnedServer::None => None,
            OwnedServer::Running(server) => Some(server),
            OwnedServer::Supervised(supervisor) => supervisor.release().await,
        };
        match server {
            Some(server) => server.stop(deadline).await,
            None => Ok(()),
        }
    }
}

/// Returns the URL of the server that the process `owner` runs, once it accepts connections. The
/// server must be the owner's child: otherwise it belongs to an owner that has exited, and is about
/// to end.
fn url_of_server(data_dir: &Path, owner: Option<i32>) -> Result<Option<String>, EmbeddedError> {
    let cluster = place::cluster_path(data_dir)?;
    Ok(PidFile::read(&cluster)
        .filter(|pid_file| owner.is_some() && process::parent_of(pid_file.pid) == owner)
        .filter(PidFile::answers)
        .map(|pid_file| socket::url(&pid_file.socket_dir, pid_file.port)))
}
