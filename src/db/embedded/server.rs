//! The running server process.
//!
//! The server must end whenever this program does, even after SIGKILL. On Linux the kernel can
//! signal a child when its parent dies, but "parent" there means the thread that started it. So
//! each server gets its own thread, which starts it and then waits until it has ended; a thread of
//! the async runtime might exit while the program keeps running.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid, setsid};
use tokio::sync::watch;

use super::account::Account;
use super::error::EmbeddedError;
use super::log::ServerLog;
use super::owner::OwnerLock;
use super::pidfile::PidFile;
use super::programs::Programs;
use super::{process, socket};

const POLL: Duration = Duration::from_millis(20);
const START_TIME: Duration = Duration::from_secs(60);
/// Of the time for a shutdown, the last part is for a server that does not react to a signal.
const HARD_STOP_TIME: Duration = Duration::from_secs(1);
const KILL_TIME: Duration = Duration::from_millis(500);

/// What a commit waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Durability {
    /// The disk: every committed change survives a power cut.
    Disk,
    /// The operating system: a power cut may destroy the cluster.
    OperatingSystem,
}

impl Durability {
    fn settings(self) -> [&'static str; 3] {
        match self {
            Self::Disk => ["fsync=on", "full_page_writes=on", "synchronous_commit=on"],
            Self::OperatingSystem => ["fsync=off", "full_page_writes=off", "synchronous_commit=on"],
        }
    }
}

/// The exit status of the process, once it has ended.
type ExitSlot = Arc<Mutex<Option<std::io::Result<ExitStatus>>>>;

/// A server that this process has started. Dropping it asks the server to shut down, without
/// waiting.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    ended: ExitSlot,
    /// Closed once the process has ended.
    runs: watch::Receiver<()>,
    log: ServerLog,
    lock: Arc<OwnerLock>,
    /// PostgreSQL's data directory, and the id of its user.
    cluster: (PathBuf, u32),
}

impl Server {
    /// Starts the server on a cluster: PostgreSQL's data directory, and the id of its user. The
    /// lock stays held until the server has ended, even if the handle is dropped earlier.
    pub(super) async fn launch(
        command: Command,
        log: ServerLog,
        lock: Arc<OwnerLock>,
        cluster: (PathBuf, u32),
    ) -> Result<Self, EmbeddedError> {
        // The handle is created inside the task: if the caller is cancelled, the runtime drops the
        // handle there, and so stops the server.
        tokio::task::spawn_blocking(move || Self::launch_blocking(command, log, lock, cluster))
            .await
            .map_err(|error| EmbeddedError::Interrupted(error.to_string()))?
    }

    fn launch_blocking(
        command: Command,
        log: ServerLog,
        lock: Arc<OwnerLock>,
        cluster: (PathBuf, u32),
    ) -> Result<Self, EmbeddedError> {
        let program = command.get_program().to_owned();
        let ended = ExitSlot::default();
        let (running, runs) = watch::channel(());
        let shared = (Arc::clone(&ended), Arc::clone(&lock), running);
        let (report, reported) = mpsc::sync_channel(1);
        let pid = std::thread::Builder::new()
            .name("postgres-parent".to_owned())
            .spawn(move || run_parent_thread(command, shared, &report))
            .and_then(|_| reported.recv().map_err(std::io::Error::other)?);
        let pid = pid.map_err(|source| EmbeddedError::Spawn {
            program: program.into(),
            source,
        })?;
        Ok(Self {
            pid,
            ended,
            runs,
            log,
            lock,
            cluster,
        })
    }

    /// Waits until the server accepts connections.
    pub(super) async fn wait_until_ready(&self) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + START_TIME;
        loop {
            if let Some(status) = self.exit_status() {
                return Err(EmbeddedError::ExitedEarly {
                    status: describe(status),
                    log: self.log.path(),
                    tail: self.log.tail(),
                });
            }
            let pid_file =
                PidFile::read(&self.cluster.0).filter(|pid_file| pid_file.pid == self.pid.as_raw());
            if pid_file.is_some_and(|pid_file| pid_file.answers()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(EmbeddedError::NotReady {
                    seconds: START_TIME.as_secs(),
                    log: self.log.path(),
                    tail: self.log.tail(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Returns once the process has ended.
    pub(super) async fn ended(&self) {
        let mut runs = self.runs.clone();
        while runs.changed().await.is_ok() {}
    }

    /// Describes how the process ended, for a message.
    pub(super) fn end_status(&self) -> String {
        describe(self.exit_status().flatten())
    }

    /// Returns the lock of the data folder, for the next server.
    pub(super) fn lock(&self) -> Arc<OwnerLock> {
        Arc::clone(&self.lock)
    }

    /// Shuts the server down and waits until it has ended, at the latest at `deadline`. Clients are
    /// disconnected; committed changes are kept.
    pub(super) async fn stop(self, deadline: Instant) -> Result<(), EmbeddedError> {
        self.lock.clear_pid();
        // A process that is stopped (SIGSTOP) handles no other signal before it continues.
        self.signal_backends(Signal::SIGCONT).await;
        self.signal(Signal::SIGINT);
        let hard = HARD_STOP_TIME + KILL_TIME;
        let fast = deadline.saturating_duration_since(Instant::now());
        let mut is_forced = false;
        if !self.exits_within(fast.saturating_sub(hard)).await {
            is_forced = true;
            tracing::warn!(
                "PostgreSQL takes too long to shut down; stopping it immediately, its changes are recovered at the next start"
            );
            self.signal(Signal::SIGQUIT);
            if !self.exits_within(HARD_STOP_TIME).await {
                self.signal(Signal::SIGKILL);
                self.exits_within(KILL_TIME).await;
            }
            // The process may have ended without waiting for those that it started.
            self.signal_backends(Signal::SIGKILL).await;
        }
        match self.exit_status() {
            Some(Some(status)) if status.success() || is_forced => Ok(()),
            status => Err(EmbeddedError::UncleanShutdown {
                status: describe(status.flatten()),
                log: self.log.path(),
                tail: self.log.tail(),
            }),
        }
    }

    /// Signals the processes that the server has started.
    async fn signal_backends(&self, signal: Signal) {
        let ((cluster, uid), first) = (self.cluster.clone(), self.pid.as_raw());
        let signal_each = move || {
            for process in process::servers_on(&cluster, uid) {
                // A process that was stopped right after its start still has the first one's name.
                if process.kind != process::Kind::Other && process.pid != first {
                    kill(Pid::from_raw(process.pid), signal).ok();
                }
            }
        };
        tokio::task::spawn_blocking(signal_each).await.ok();
    }

    async fn exits_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while self.exit_status().is_none() {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// Returns `None` while the server runs; then its exit status, if that is known.
    fn exit_status(&self) -> Option<Option<ExitStatus>> {
        lock_slot(&self.ended)
            .as_ref()
            .map(|ended| ended.as_ref().ok().copied())
    }

    /// Signals the server unless it has ended, also if it is stopped. The slot is locked meanwhile,
    /// and the parent thread locks it before it releases the process id, so that no other process
    /// can have this id.
    fn signal(&self, signal: Signal) {
        let ended = lock_slot(&self.ended);
        if ended.is_none()
            && let Err(errno) =
                kill(self.pid, signal).and_then(|()| kill(self.pid, Signal::SIGCONT))
        {
            tracing::warn!("could not signal the PostgreSQL server: {errno}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.lock.clear_pid();
        self.signal(Signal::SIGINT);
    }
}

/// Builds the command line of a server for the cluster.
pub(super) fn command(
    programs: &Programs,
    account: &Account,
    cluster: &Path,
    socket_dir: &Path,
    durability: Durability,
    log: File,
) -> std::io::Result<Command> {
    let mut command = account.command(programs.postgres(), cluster);
    command
        .arg("-D")
        .arg(cluster)
        .arg("-c")
        .arg(socket::to_setting(socket_dir));
    let port = format!("port={}", socket::PORT);
    let settings = [
        "listen_addresses=",
        &port,
        "unix_socket_permissions=0700",
        "max_connections=200",
        "shared_buffers=128MB",
        "logging_collector=off",
        "log_destination=stderr",
    ];
    // The command line takes precedence over ALTER SYSTEM.
    for setting in settings.into_iter().chain(durability.settings()) {
        command.args(["-c", setting]);
    }
    command.stdout(log.try_clone()?).stderr(log);
    tie_to_parent(&mut command);
    Ok(command)
}

/// Makes the kernel shut the server down when its parent dies, and protects it from the terminal's
/// Ctrl-C: the shop still needs it while it shuts down.
#[allow(unsafe_code)]
fn tie_to_parent(command: &mut Command) {
    let parent = Pid::this();
    let in_child = move || {
        setsid()?;
        #[cfg(target_os = "linux")]
        {
            // After the change of user, which would cancel it: `Command` runs this last. SIGINT
            // requests a fast shutdown.
            nix::sys::prctl::set_pdeathsig(Signal::SIGINT)?;
        }
        // The kernel does not report a parent that died before that call.
        if getppid() != parent {
            return Err(nix::errno::Errno::ESRCH.into());
        }
        Ok(())
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe
    // calls are allowed. It makes the system calls setsid, prctl and getppid and
    // copies integers; it neither allocates, nor locks, nor panics, nor touches
    // memory that another thread could have left half changed.
    unsafe { command.pre_exec(in_child) };
}

/// Runs on the thread that is the server's parent.
fn run_parent_thread(
    mut command: Command,
    (ended, lock, running): (ExitSlot, Arc<OwnerLock>, watch::Sender<()>),
    report: &mpsc::SyncSender<std::io::Result<Pid>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            report.send(Err(error)).ok();
            return;
        }
    };
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    let pid = pid.map_err(|_| std::io::ErrorKind::InvalidData.into());
    report.send(pid).ok();
    // The command owns this program's handles to the log.
    drop(command);
    wait_without_reaping(&child);
    let mut slot = lock_slot(&ended);
    let status = child.wait();
    drop(lock);
    *slot = Some(status);
    drop(slot);
    drop(running);
}

/// Waits until the child has ended but keeps its process id reserved.
#[cfg(target_os = "linux")]
fn wait_without_reaping(child: &Child) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    let Ok(pid) = i32::try_from(child.id()) else {
        return;
    };
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(Pid::from_raw(pid)), flags) {}
}

/// Systems other than Linux have no `waitid` here, so the process is polled until it is a zombie.
#[cfg(not(target_os = "linux"))]
fn wait_without_reaping(child: &Child) {
    let Ok(pid) = i32::try_from(child.id()) else {
        return;
    };
    while super::process::is_running(pid) {
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A panic elsewhere cannot leave the slot half written, so a poisoned lock is usable.
fn lock_slot(ended: &ExitSlot) -> MutexGuard<'_, Option<std::io::Result<ExitStatus>>> {
    ended.lock().unwrap_or_else(PoisonError::into_inner)
}

fn describe(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) => match status.signal() {
            Some(signal) => format!("ended by signal {signal}"),
            None => format!("exit code {}", status.code().unwrap_or_default()),
        },
        None => "exit status unknown".to_owned(),
    }
}
