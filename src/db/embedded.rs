//! The PostgreSQL server that the shop brings along.
//!
//! Without a `DATABASE_URL` the shop starts a server of its own on a folder, so
//! that it runs out of the box. The server listens on a private unix socket
//! only, keeps every committed change, and ends with the program however that
//! ends. Processes that share a data folder share one server: the first owns
//! it, the others attach.

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
use owner::{Attempt, OwnerLock};
use pidfile::PidFile;
use server::Server;

const ATTACH_POLL: Duration = Duration::from_millis(50);
const ATTACH_TIME: Duration = Duration::from_secs(30);

/// A running server: one that this process owns, or another process's.
///
/// Dropping an owning handle tells the server to shut down but does not wait;
/// [`stop`](Self::stop) does.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    url: String,
    /// None when another process owns the server.
    server: Option<Server>,
}

impl EmbeddedPostgres {
    /// Starts the server on the cluster kept under `data_dir`, creating both at
    /// first, or attaches to the server that a living process already runs there.
    pub async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let data_dir = place::open_data_dir(data_dir)?;
        let deadline = Instant::now() + ATTACH_TIME;
        loop {
            // Tried anew each time, since the owner may die while we wait.
            let owner = match owner::try_take(&data_dir)? {
                Attempt::Taken(lock) => return Self::start_owned(&data_dir, lock).await,
                Attempt::HeldBy(owner) => owner,
            };
            if let Some(url) = url_of_server(&data_dir, owner)? {
                tracing::debug!("attached to the PostgreSQL server of another process");
                return Ok(Self { url, server: None });
            }
            if Instant::now() > deadline {
                return Err(EmbeddedError::OwnerSilent {
                    pid: owner,
                    data_dir,
                    seconds: ATTACH_TIME.as_secs(),
                });
            }
            tokio::time::sleep(ATTACH_POLL).await;
        }
    }

    /// The URL of the shop's database on this server. The server's role exists;
    /// the database is the caller's to create.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether another process owns the server, which then ends with that one.
    pub fn is_attached(&self) -> bool {
        self.server.is_none()
    }

    /// Shuts the server down and waits for its end; only the owner does so.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    async fn start_owned(data_dir: &Path, lock: OwnerLock) -> Result<Self, EmbeddedError> {
        let (place, account) = place::settle(data_dir).await?;
        leftover::clear(&place.cluster, &account).await?;
        let made_by = cluster::major_version(&place.cluster)?;
        let programs = programs::locate(&place, made_by, &account).await?;
        if made_by.is_none() {
            cluster::create(&place, &programs, &account).await?;
        }
        place.remember(data_dir)?;
        let socket_dir = socket::prepare(data_dir, &place.base, &account)?;
        leftover::remove_socket(&socket_dir)?;
        let (log, file) = ServerLog::open(data_dir)?;
        let command = server::command(&programs, &account, &place.cluster, &socket_dir, file)
            .map_err(EmbeddedError::io("open the log", &log.path()))?;
        let server = Server::launch(command, log, lock).await?;
        server.wait_until_ready(&place.cluster).await?;
        Ok(Self {
            url: socket::url(&socket_dir, socket::PORT),
            server: Some(server),
        })
    }
}

/// The URL of the server that the process `owner` runs, once it answers. That
/// it is the owner's child tells it from a dead owner's server that is about to
/// end.
fn url_of_server(data_dir: &Path, owner: Option<i32>) -> Result<Option<String>, EmbeddedError> {
    let cluster = place::known_cluster(data_dir)?;
    Ok(PidFile::read(&cluster)
        .filter(|told| owner.is_some() && process::parent_of(told.pid) == owner)
        .filter(PidFile::answers)
        .map(|told| socket::url(&told.socket_dir, told.port)))
}
