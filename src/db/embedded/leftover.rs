//! Servers that an earlier, dead owner left on the cluster.
//!
//! Usually such a server is only still shutting down. It may also be an orphan
//! that was never told to. Either way it has to end before a new one starts.
//! Process ids are reused, so a process is signalled only after the system has
//! been asked what it is, immediately before.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::account::Account;
use super::error::EmbeddedError;
use super::pidfile::PidFile;
use super::{process, socket};

const POLL: Duration = Duration::from_millis(50);
/// How long a dying owner may seem to live, though its lock is free already.
const OWNER_GRACE: Duration = Duration::from_secs(3);

/// How hard a leftover server has been pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pressure {
    None,
    Fast,
    Immediate,
    Kill,
    GiveUp,
}

impl Pressure {
    fn after(elapsed: Duration) -> Self {
        match elapsed.as_secs() {
            0..15 => Self::Fast,
            15..20 => Self::Immediate,
            20..25 => Self::Kill,
            _ => Self::GiveUp,
        }
    }
}

/// Waits until no server works on the cluster any more, ending it if need be,
/// and removes what would keep a new one from starting.
pub(super) async fn clear(cluster: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let began = Instant::now();
    let mut applied = Pressure::None;
    while let Some(pid) = press(cluster, account, began, &mut applied).await? {
        if applied == Pressure::GiveUp {
            return Err(EmbeddedError::LeftoverServer {
                cluster: cluster.to_owned(),
                pid,
            });
        }
        tokio::time::sleep(POLL).await;
    }
    if applied > Pressure::None {
        tracing::info!("the earlier PostgreSQL server has ended");
    }
    remove_misleading_pid_file(cluster)
}

/// One round: looks for servers and tells them, once per degree, to end.
/// Returns the process of one that is still there.
async fn press(
    cluster: &Path,
    account: &Account,
    began: Instant,
    applied: &mut Pressure,
) -> Result<Option<i32>, EmbeddedError> {
    let (cluster, uid) = (cluster.to_owned(), account.uid());
    let before = *applied;
    let round = move || {
        let found = process::servers_on(&cluster, uid);
        let Some(first) = found.first().map(|server| server.pid) else {
            return Ok((None, before));
        };
        if let Some((server, owner)) = living_owner(&found) {
            return match began.elapsed() > OWNER_GRACE {
                true => Err(EmbeddedError::InUse {
                    cluster,
                    server,
                    owner,
                }),
                false => Ok((Some(first), before)),
            };
        }
        let due = Pressure::after(began.elapsed()).max(before);
        if due > before {
            announce(due, first);
            apply(due, &found);
        }
        Ok((Some(first), due))
    };
    let (left, now) = tokio::task::spawn_blocking(round)
        .await
        .map_err(|error| EmbeddedError::Interrupted(error.to_string()))??;
    *applied = now;
    Ok(left)
}

/// A server whose parent runs this very program is no leftover: its owner holds
/// another lock, as when a data folder was copied along with its memory of
/// where the cluster is.
fn living_owner(found: &[process::Server]) -> Option<(i32, i32)> {
    found
        .iter()
        .find(|server| server.parent.is_some_and(process::runs_this_program))
        .and_then(|server| Some((server.pid, server.parent?)))
}

fn announce(due: Pressure, pid: i32) {
    match due {
        Pressure::Fast => tracing::info!(
            "an earlier PostgreSQL server (process {pid}) still works on the database; waiting for it to shut down"
        ),
        Pressure::Immediate => tracing::warn!(
            "the earlier PostgreSQL server (process {pid}) takes too long; telling it to end at once, its changes are recovered from its journal"
        ),
        Pressure::Kill => {
            tracing::warn!(
                "the earlier PostgreSQL server (process {pid}) does not react; killing it"
            );
        }
        Pressure::None | Pressure::GiveUp => {}
    }
}

fn apply(due: Pressure, found: &[process::Server]) {
    let led = found
        .iter()
        .any(|server| server.kind == process::Kind::Postmaster);
    for server in found {
        let signal = match (due, server.kind) {
            (_, process::Kind::Other) | (Pressure::None | Pressure::GiveUp, _) => continue,
            (Pressure::Kill, _) => Signal::SIGKILL,
            // A postmaster sees to its own children.
            (_, process::Kind::Backend) if led => continue,
            (Pressure::Fast, process::Kind::Postmaster) => Signal::SIGINT,
            (Pressure::Fast, process::Kind::Backend) => Signal::SIGTERM,
            (Pressure::Immediate, _) => Signal::SIGQUIT,
        };
        // A process that has ended meanwhile is what is wanted. One that was
        // suspended would take no other signal until it continues.
        kill(Pid::from_raw(server.pid), signal).ok();
        kill(Pid::from_raw(server.pid), Signal::SIGCONT).ok();
    }
}

/// Removes a stale `postmaster.pid` whose process id now belongs to somebody
/// else, or to a zombie that nobody has reaped yet: PostgreSQL would take a process of its own user for a running server
/// and refuse to start. It handles the other stale files itself.
fn remove_misleading_pid_file(cluster: &Path) -> Result<(), EmbeddedError> {
    let path = PidFile::path_in(cluster);
    match PidFile::read_pid(cluster) {
        Some(pid) if process::is_alive(pid) => {
            tracing::info!(
                "removing {}, left by a server that is gone, because the process id {pid} in it is taken again",
                path.display()
            );
            std::fs::remove_file(&path).map_err(EmbeddedError::io("remove the file", &path))
        }
        _ => Ok(()),
    }
}

/// Removes the socket and its lock file, which a killed server leaves and which
/// mislead its successor just as `postmaster.pid` does. The folder is the
/// cluster's alone, and [`clear`] has seen that the cluster has no server.
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
