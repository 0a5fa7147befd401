//! Starts the server of a data folder whose lock this process holds.

use std::path::Path;
use std::sync::Arc;

use super::error::EmbeddedError;
use super::log::ServerLog;
use super::owner::OwnerLock;
use super::place::{self, Place};
use super::programs;
use super::server::{self, Durability, Server};
use super::{account::Account, cluster, leftover, socket};

/// A server that accepts connections.
pub(super) struct Launched {
    pub(super) server: Server,
    pub(super) url: String,
}

/// Starts the server, and creates its cluster if there is none.
pub(super) async fn start(
    data_dir: &Path,
    lock: OwnerLock,
    durability: Durability,
) -> Result<Launched, EmbeddedError> {
    let (place, account) = place::choose(data_dir).await?;
    leftover::clear(&place.cluster, &account).await?;
    let made_by = cluster::major_version(&place.cluster)?;
    let programs = programs::locate(&place, made_by, &account).await?;
    if made_by.is_none() {
        cluster::create(&place, &programs, &account).await?;
    }
    place.save_location(data_dir)?;
    let lock = Arc::new(lock);
    launch(data_dir, &place, &account, &programs, lock, durability).await
}

/// Starts the server again after it has ended.
///
/// # Errors
/// [`EmbeddedError::ClusterGone`] if its cluster does not exist any more: an empty one in its place
/// would look as if all data were lost.
pub(super) async fn restart(
    data_dir: &Path,
    lock: Arc<OwnerLock>,
    durability: Durability,
) -> Result<Launched, EmbeddedError> {
    let (place, account) = place::choose(data_dir).await?;
    // Processes of the server that ended may take a moment to notice that.
    leftover::clear(&place.cluster, &account).await?;
    let made_by = cluster::major_version(&place.cluster)?;
    if made_by.is_none() {
        return Err(EmbeddedError::ClusterGone {
            cluster: place.cluster,
        });
    }
    let programs = programs::locate(&place, made_by, &account).await?;
    lock.write_pid()
        .map_err(EmbeddedError::io("write the lock file in", data_dir))?;
    launch(data_dir, &place, &account, &programs, lock, durability).await
}

async fn launch(
    data_dir: &Path,
    place: &Place,
    account: &Account,
    programs: &programs::Programs,
    lock: Arc<OwnerLock>,
    durability: Durability,
) -> Result<Launched, EmbeddedError> {
    let socket_dir = socket::prepare(data_dir, &place.base, account)?;
    leftover::remove_socket(&socket_dir)?;
    let (log, file) = ServerLog::open(data_dir)?;
    let cluster = &place.cluster;
    let command = server::command(programs, account, cluster, &socket_dir, durability, file)
        .map_err(EmbeddedError::io("open the log", &log.path()))?;
    let server = Server::launch(command, log, lock, (place.cluster.clone(), account.uid())).await?;
    server.wait_until_ready().await?;
    Ok(Launched {
        server,
        url: socket::url(&socket_dir, socket::PORT),
    })
}
