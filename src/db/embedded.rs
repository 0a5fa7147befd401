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
mod leftover;
mod log;
mod owner;
mod pidfile;
mod place;
mod process;
mod programs;
mod server;
mod socket;

use std::path::Path;
use std::time::{Duration, Instant};

pub use error::EmbeddedError;
use log::ServerLog;
use owner::{LockAttempt, OwnerLock};
use pidfile::PidFile;
use server::Server;

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
    /// `None` if another process owns the server.
    server: Option<Server>,
}

impl EmbeddedPostgres {
    /// Starts the server on the cluster in `data_dir`, and creates both if they are missing; or
    /// attaches to the server that a running process already owns there.
    pub async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let data_dir = place::open_data_dir(data_dir)?;
        let deadline = Instant::now() + ATTACH_TIME;
        loop {
            // Tried again each time, because the owner may exit while we wait.
            let owner = match owner::try_acquire(&data_dir)? {
                LockAttempt::Acquired(lock) => return Self::start_owned(&data_dir, lock).await,
                LockAttempt::HeldBy(owner) => owner,
            };
            if let Some(url) = url_of_server(&data_dir, owner)? {
                tracing::debug!("attached to the PostgreSQL server of another process");
                return Ok(Self { url, server: None });
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

    /// Returns the URL of the shop's database on this server. The role exists; the caller creates
    /// the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether another process owns the server, which then ends with that process.
    pub fn is_attached(&self) -> bool {
        self.server.is_none()
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
        match self.server {
            Some(server) => server.stop(deadline).await,
            None => Ok(()),
        }
    }

    async fn start_owned(data_dir: &Path, lock: OwnerLock) -> Result<Self, EmbeddedError> {
        let (place, account) = place::choose(data_dir).await?;
        leftover::clear(&place.cluster, &account).await?;
        let made_by = cluster::major_version(&place.cluster)?;
        let programs = programs::locate(&place, made_by, &account).await?;
        if made_by.is_none() {
            cluster::create(&place, &programs, &account).await?;
        }
        place.save_location(data_dir)?;
        let socket_dir = socket::prepare(data_dir, &place.base, &account)?;
        leftover::remove_socket(&socket_dir)?;
        let (log, file) = ServerLog::open(data_dir)?;
        let command = server::command(&programs, &account, &place.cluster, &socket_dir, file)
            .map_err(EmbeddedError::io("open the log", &log.path()))?;
        let cluster = (place.cluster.clone(), account.uid());
        let server = Server::launch(command, log, lock, cluster).await?;
        server.wait_until_ready().await?;
        Ok(Self {
            url: socket::url(&socket_dir, socket::PORT),
            server: Some(server),
        })
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
