//! The servers that a run starts for its buyers: processes of this program, on this machine and on
//! the run's database. They sell to the buyers of the run only (`doorbuster buyer-server`).
//!
//! A server ends when its standard input ends, so none outlives the process of its run, however
//! that process ends. Its port stays reserved until the run is over.

pub mod port;

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use futures::future::try_join_all;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use url::Url;
use uuid::Uuid;

use self::port::ReservedPort;

/// The subcommand of a server. It is for this module only, so the help does not list it.
pub const SUBCOMMAND: &str = "buyer-server";

/// How long a server may take until it is ready to sell.
const START_MAX: Duration = Duration::from_secs(15);
/// How long a server may take to end after its last purchase. It may be killed at any time.
const STOP_MAX: Duration = Duration::from_secs(2);

/// Why the servers of a run could not be started.
#[derive(Debug, thiserror::Error)]
pub enum OwnServersError {
    #[error("the file of this program is unknown, so no servers can be started: {0}")]
    Program(#[source] io::Error),
    #[error("server {server} could not be started: {source}")]
    Spawn { server: u32, source: io::Error },
    #[error("server {0} ended before it was ready; see its error output above")]
    Ended(u32),
    #[error("server {0} was not ready within {START_MAX:?}")]
    Slow(u32),
}

/// The settings with which the servers of a run are started. They cannot be printed: the URLs may
/// contain a password.
#[derive(Clone)]
pub struct ServersLaunch {
    /// The program that has the subcommand, usually the current executable.
    pub program: PathBuf,
    pub database_url: String,
    pub redis_url: Option<String>,
    pub run: Uuid,
    pub servers: u32,
    /// Maximum concurrent transactions of each server.
    pub connections: u32,
    /// Pause of each purchase between read and write, in milliseconds.
    pub race_window_ms: u32,
}

impl ServersLaunch {
    fn command(&self, server: u32, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(SUBCOMMAND)
            .args(["--run", &self.run.to_string()])
            .args(["--server", &server.to_string()])
            .args(["--port", &port.to_string()])
            .args(["--connections", &self.connections.to_string()])
            .args(["--race-window-ms", &self.race_window_ms.to_string()])
            // Never arguments: every user of the machine can read those.
            .env("DATABASE_URL", &self.database_url)
            .env("REDIS_URL", self.redis_url.as_deref().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A separate process group: Ctrl-C in the terminal aborts the run, which ends its
            // servers after its buyers.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Starts a server, and waits until it is ready: it prints its URL then.
    async fn start(&self, server: u32, port: u16) -> Result<StartedServer, OwnServersError> {
        let spawned = self.command(server, port).spawn();
        let mut child = spawned.map_err(|source| OwnServersError::Spawn { server, source })?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(OwnServersError::Ended(server));
        };
        let mut lines = BufReader::new(stdout).lines();
        let Ok(line) = timeout(START_MAX, lines.next_line()).await else {
            return Err(OwnServersError::Slow(server));
        };
        let url = line.ok().flatten().and_then(|line| Url::parse(&line).ok());
        let url = url.ok_or(OwnServersError::Ended(server))?;
        Ok(StartedServer {
            server,
            url,
            child,
            stdin,
        })
    }
}

/// A server that is ready. It is killed when it is dropped.
struct StartedServer {
    /// Counted from 1.
    server: u32,
    url: Url,
    child: Child,
    /// The server ends when this is dropped.
    stdin: ChildStdin,
}

/// The signals to all servers of a run.
#[derive(Clone, Debug, Default)]
pub struct ServersEnd {
    stop: CancellationToken,
    kill: CancellationToken,
    supervisors: TaskTracker,
}

impl ServersEnd {
    /// Kills the servers, and returns when all of them have ended.
    pub async fn kill_all(&self) {
        self.kill.cancel();
        self.ended().await;
    }

    async fn ended(&self) {
        self.supervisors.close();
        self.supervisors.wait().await;
    }
}

/// The running servers of a run. They are killed when this is dropped.
#[derive(Debug)]
pub struct OwnServers {
    urls: Vec<Url>,
    end: ServersEnd,
    _supervisors: Vec<AbortOnDropHandle<()>>,
    /// Reserved for longer than the servers run: until no buyer can send anything there.
    _ports: Vec<ReservedPort>,
}

impl OwnServers {
    /// Starts the servers at the same time, and waits until all of them are ready. `on_end` is
    /// called with the number of each server that ends by itself.
    pub async fn start(
        launch: &ServersLaunch,
        on_end: impl Fn(u32) + Clone + Send + 'static,
    ) -> Result<Self, OwnServersError> {
        let ports = reserve_ports(launch.servers)?;
        let starting = (1..).zip(&ports);
        let starting = starting.map(|(server, port)| launch.start(server, port.number()));
        let started = try_join_all(starting).await?;
        let urls = started.iter().map(|server| server.url.clone()).collect();
        let end = ServersEnd::default();
        let watch = |server| {
            let supervisor = supervise(server, end.clone(), on_end.clone());
            AbortOnDropHandle::new(end.supervisors.spawn(supervisor))
        };
        let supervisors = started.into_iter().map(watch).collect();
        Ok(Self {
            urls,
            end,
            _supervisors: supervisors,
            _ports: ports,
        })
    }

    /// Returns the URL of each server.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// Returns a handle that can end the servers.
    pub fn end_handle(&self) -> ServersEnd {
        self.end.clone()
    }

    /// Stops the servers, and returns when all of them have ended.
    pub async fn stop(self) {
        self.end.stop.cancel();
        self.end.ended().await;
    }
}

/// Reserves a port for each server.
fn reserve_ports(servers: u32) -> Result<Vec<ReservedPort>, OwnServersError> {
    let reserve = |server| {
        ReservedPort::reserve().map_err(|source| OwnServersError::Spawn { server, source })
    };
    (1..=servers).map(reserve).collect()
}

/// Waits until the server ends by itself, or ends it.
async fn supervise(started: StartedServer, end: ServersEnd, on_end: impl Fn(u32)) {
    let StartedServer {
        server,
        mut child,
        stdin,
        ..
    } = started;
    let ended = tokio::select! {
        biased;
        () = end.kill.cancelled() => None,
        () = end.stop.cancelled() => None,
        ended = child.wait() => Some(ended),
    };
    if let Some(ended) = ended {
        let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::warn!(server, %status, "a server of the run ended");
        on_end(server);
        return;
    }
    drop(stdin);
    let killed = end.kill.cancelled();
    let stopped = timeout(STOP_MAX, child.wait());
    let has_ended = tokio::select! {
        biased;
        () = killed => false,
        stopped = stopped => stopped.is_ok(),
    };
    if !has_ended {
        // It cannot be killed only if it has ended.
        child.kill().await.ok();
    }
}
