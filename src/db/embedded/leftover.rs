//! Servers that an earlier owner left running on the cluster.
//!
//! Usually such a server is still shutting down. It may also be an orphan that never received a
//! signal. In both cases it has to end before a new server starts. Process ids are reused, so a
//! process is identified immediately before it is signalled.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::account::Account;
use super::error::EmbeddedError;
use super::pidfile::PidFile;
use super::{process, socket};

const POLL: Duration = Duration::from_millis(50);
/// How long an exiting owner may still appear to run after its lock is free.
const OWNER_GRACE: Duration = Duration::from_secs(3);

/// The strongest signal that was sent to a leftover server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum StopLevel {
    None,
    Fast,
    Immediate,
    Kill,
    GiveUp,
}

impl StopLevel {
    fn after(elapsed: Duration) -> Self {
        match elapsed.as_secs() {
            0..15 => Self::Fast,
            15..20 => Self::Immediate,
            20..25 => Self::Kill,
            _ => Self::GiveUp,
        }
    }
}

/// Waits until no server uses the cluster, stopping it if necessary, and removes files that would
/// prevent a new server from starting.
pub(super) async fn clear(cluster: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let started = Instant::now();
    let mut level = StopLevel::None;
    while let Some(pid) = escalate(cluster, account, started, &mut level).await? {
        if level == StopLevel::GiveUp {
            return Err(EmbeddedError::LeftoverServer {
                cluster: cluster.to_owned(),
                pid,
            });
        }
        tokio::time::sleep(POLL).await;
    }
    if level > StopLevel::None {
        tracing::info!("the PostgreSQL server of an earlier run has ended");
    }
    remove_stale_pid_file(cluster)
}

/// One round: looks for servers and signals them, once for each level. Returns the process id of a
/// server that is still running.
async fn escalate(
    cluster: &Path,
    account: &Account,
    started: Instant,
    level: &mut StopLevel,
) -> Result<Option<i32>, EmbeddedError> {
    let (cluster, uid) = (cluster.to_owned(), account.uid());
    let before = *level;
    let round = move || {
        let found = process::servers_on(&cluster, uid);
        let Some(first) = found.first().map(|server| server.pid) else {
            return Ok((None, before));
        };
        if let Some((server, owner)) = living_owner(&found) {
            return match started.elapsed() > OWNER_GRACE {
                true => Err(EmbeddedError::InUse {
                    cluster,
                    server,
                    owner,
                }),
                false => Ok((Some(first), before)),
            };
        }
        let next = StopLevel::after(started.elapsed()).max(before);
        if next > before {
            log_level(next, first);
            send_signals(next, &found);
        }
        Ok((Some(first), next))
    };
    let (left, now) = tokio::task::spawn_blocking(round)
        .await
        .map_err(|error| EmbeddedError::Interrupted(error.to_string()))??;
    *level = now;
    Ok(left)
}

/// Returns a server whose parent is another process that runs this program, and that parent. Such a
/// server is not a leftover: its owner holds another lock, for example if a data folder was copied
/// together with its saved cluster location. A process whose parent is this process is a leftover:
/// in a container, where this process may be the first one, it inherits orphans.
fn living_owner(found: &[process::Server]) -> Option<(i32, i32)> {
    let own = i32::try_from(std::process::id()).ok();
    found
        .iter()
        .find(|server| {
            server.parent != own && server.parent.is_some_and(process::runs_this_program)
        })
        .and_then(|server| Some((server.pid, server.parent?)))
}

fn log_level(next: StopLevel, pid: i32) {
    match next {
        StopLevel::Fast => tracing::info!(
            "the PostgreSQL server of an earlier run (process {pid}) still uses the database; waiting for it to shut down"
        ),
        StopLevel::Immediate => tracing::warn!(
            "the PostgreSQL server of an earlier run (process {pid}) takes too long to shut down; stopping it immediately, its changes are recovered from the write-ahead log"
        ),
        StopLevel::Kill => {
            tracing::warn!(
                "the PostgreSQL server of an earlier run (process {pid}) does not respond; killing it"
            );
        }
        StopLevel::None | StopLevel::GiveUp => {}
    }
}

fn send_signals(next: StopLevel, found: &[process::Server]) {
    let has_postmaster = found
        .iter()
        .any(|server| server.kind == process::Kind::Postmaster);
    for server in found {
        let signal = match (next, server.kind) {
            (_, process::Kind::Other) | (StopLevel::None | StopLevel::GiveUp, _) => continue,
            (StopLevel::Kill, _) => Signal::SIGKILL,
            // A postmaster stops its own children.
            (_, process::Kind::Backend) if has_postmaster => continue,
            (StopLevel::Fast, process::Kind::Postmaster) => Signal::SIGINT,
            (StopLevel::Fast, process::Kind::Backend) => Signal::SIGTERM,
            (StopLevel::Immediate, _) => Signal::SIGQUIT,
        };
        // The process may have ended in the meantime. A stopped process handles most signals only
        // after it continues.
        kill(Pid::from_raw(server.pid), signal).ok();
        kill(Pid::from_raw(server.pid), Signal::SIGCONT).ok();
    }
}

/// Removes a stale `postmaster.pid` whose process id now belongs to another process, or to a
/// zombie: PostgreSQL would take a process of its own user for a running server and refuse to
/// start. PostgreSQL handles other stale files itself.
fn remove_stale_pid_file(cluster: &Path) -> Result<(), EmbeddedError> {
    let path = PidFile::path_in(cluster);
    match PidFile::read_pid(cluster) {
        Some(pid) if process::is_alive(pid) => {
            tracing::info!(
                "removing the stale file {}: its server has ended, and its process id {pid} is in use by another process",
                path.display()
            );
            std::fs::remove_file(&path).map_err(EmbeddedError::io("remove the file", &path))
        }
        _ => Ok(()),
    }
}

/// Removes the socket and its lock file, which a killed server leaves and which mislead the next
/// server in the same way as `postmaster.pid`. The folder belongs to this cluster only, and
/// [`clear`] has checked that the cluster has no server.
pub(super) fn remove_socket(folder: &Path) -> Result<(), EmbeddedError> {
    let socket = socket::file_in(folder, socket::PORT);
    let mut lock = socket.clone().into_os_string();
    lock.push(".lock");
    for path in [socket, lock.into()] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(EmbeddedError::io("remove the file", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
