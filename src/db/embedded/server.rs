//! The running server process.
//!
//! The server must end whenever this program does, even by SIGKILL. On Linux
//! the kernel can be told to signal a child on its parent's death, but "parent"
//! there means the thread that started it. Each server therefore gets a thread
//! of its own that starts it and then waits until it has ended; a thread of the
//! async runtime might be retired while the program goes on.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid, setsid};

use super::account::Account;
use super::error::EmbeddedError;
use super::log::ServerLog;
use super::owner::OwnerLock;
use super::pidfile::PidFile;
use super::programs::Programs;
use super::socket;

const POLL: Duration = Duration::from_millis(20);
const START_TIME: Duration = Duration::from_secs(60);
const FAST_STOP_TIME: Duration = Duration::from_secs(60);
const HARD_STOP_TIME: Duration = Duration::from_secs(10);

/// How the process ended, once it has.
type Ended = Arc<Mutex<Option<std::io::Result<ExitStatus>>>>;

/// A server that this process has started. Dropping it tells the server to
/// shut down, without waiting for that.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    ended: Ended,
    log: ServerLog,
    lock: Arc<OwnerLock>,
}

impl Server {
    /// Starts the server. The lock goes along and stays held until the server
    /// has ended, whatever becomes of the handle.
    pub(super) async fn launch(
        command: Command,
        log: ServerLog,
        lock: OwnerLock,
    ) -> Result<Self, EmbeddedError> {
        // The handle is made within the task: if our caller loses interest, the
        // runtime drops it there, and with it the server.
        tokio::task::spawn_blocking(move || Self::launch_blocking(command, log, lock))
            .await
            .map_err(|error| EmbeddedError::Interrupted(error.to_string()))?
    }

    fn launch_blocking(
        command: Command,
        log: ServerLog,
        lock: OwnerLock,
    ) -> Result<Self, EmbeddedError> {
        let program = command.get_program().to_owned();
        let ended = Ended::default();
        let lock = Arc::new(lock);
        let shared = (Arc::clone(&ended), Arc::clone(&lock));
        let (report, reported) = mpsc::sync_channel(1);
        let pid = std::thread::Builder::new()
            .name("postgres-parent".to_owned())
            .spawn(move || be_parent(command, shared, &report))
            .and_then(|_| reported.recv().map_err(std::io::Error::other)?);
        let pid = pid.map_err(|source| EmbeddedError::Spawn {
            program: program.into(),
            source,
        })?;
        Ok(Self {
            pid,
            ended,
            log,
            lock,
        })
    }

    /// Waits until the server accepts connections.
    pub(super) async fn wait_until_ready(&self, cluster: &Path) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + START_TIME;
        loop {
            if let Some(status) = self.ending() {
                return Err(EmbeddedError::ExitedEarly {
                    status: described(status),
                    log: self.log.path(),
                    tail: self.log.tail(),
                });
            }
            let told = PidFile::read(cluster).filter(|told| told.pid == self.pid.as_raw());
            if told.is_some_and(|told| told.answers()) {
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

    /// Shuts the server down and waits for its end. Clients are cut off, what
    /// they committed is kept.
    pub(super) async fn stop(self) -> Result<(), EmbeddedError> {
        self.lock.withdraw();
        self.signal(Signal::SIGINT);
        if !self.ends_within(FAST_STOP_TIME).await {
            tracing::warn!(
                "PostgreSQL takes too long to shut down; telling it to end at once, its changes are recovered at the next start"
            );
            self.signal(Signal::SIGQUIT);
            if !self.ends_within(HARD_STOP_TIME).await {
                self.signal(Signal::SIGKILL);
                self.ends_within(HARD_STOP_TIME).await;
            }
        }
        match self.ending() {
            Some(Some(status)) if status.success() => Ok(()),
            status => Err(EmbeddedError::EndedBadly {
                status: described(status.flatten()),
                log: self.log.path(),
                tail: self.log.tail(),
            }),
        }
    }

    async fn ends_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while self.ending().is_none() {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// None while the server runs; then its exit status, if that is known.
    fn ending(&self) -> Option<Option<ExitStatus>> {
        locked(&self.ended)
            .as_ref()
            .map(|ended| ended.as_ref().ok().copied())
    }

    /// Signals the server unless it has ended. The lock is held meanwhile, and
    /// the thread takes it before it lets the process id go, so that no other
    /// process can have got the id.
    fn signal(&self, signal: Signal) {
        let ended = locked(&self.ended);
        if ended.is_none()
            && let Err(errno) = kill(self.pid, signal)
        {
            tracing::warn!("could not signal the PostgreSQL server: {errno}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.lock.withdraw();
        self.signal(Signal::SIGINT);
    }
}

/// The command line of a server for the cluster.
pub(super) fn command(
    programs: &Programs,
    account: &Account,
    cluster: &Path,
    socket_dir: &Path,
    log: File,
) -> std::io::Result<Command> {
    let mut command = account.command(programs.postgres(), cluster);
    command
        .arg("-D")
        .arg(cluster)
        .arg("-c")
        .arg(socket::as_setting(socket_dir));
    let port = format!("port={}", socket::PORT);
    for setting in [
        "listen_addresses=",
        &port,
        "unix_socket_permissions=0700",
        "fsync=on",
        "full_page_writes=on",
        "synchronous_commit=on",
        "max_connections=200",
        "shared_buffers=128MB",
        "logging_collector=off",
        "log_destination=stderr",
    ] {
        command.args(["-c", setting]);
    }
    command.stdout(log.try_clone()?).stderr(log);
    tie_to_parent(&mut command);
    Ok(command)
}

/// Makes the kernel shut the server down when its parent dies, and keeps the
/// terminal's Ctrl-C from it: the shop still needs it while it winds up.
#[allow(unsafe_code)]
fn tie_to_parent(command: &mut Command) {
    let parent = Pid::this();
    let in_child = move || {
        setsid()?;
        #[cfg(target_os = "linux")]
        {
            // After the change of user, which would cancel it: `Command` runs
            // this last. SIGINT asks for a fast shutdown.
            nix::sys::prctl::set_pdeathsig(Signal::SIGINT)?;
        }
        // A parent that died before that call is not noticed by the kernel.
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

/// The life of the thread that is the server's parent.
fn be_parent(
    mut command: Command,
    (ended, lock): (Ended, Arc<OwnerLock>),
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
    // The command holds this program's handles on the log.
    drop(command);
    wait_without_reaping(&child);
    let mut slot = locked(&ended);
    let status = child.wait();
    drop(lock);
    *slot = Some(status);
}

/// Waits for the child's end but leaves its process id taken.
#[cfg(target_os = "linux")]
fn wait_without_reaping(child: &Child) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    let Ok(pid) = i32::try_from(child.id()) else {
        return;
    };
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(Pid::from_raw(pid)), flags) {}
}

/// Elsewhere than on Linux `waitid` is not at hand, so the process is looked at
/// until it is a zombie.
#[cfg(not(target_os = "linux"))]
fn wait_without_reaping(child: &Child) {
    let Ok(pid) = i32::try_from(child.id()) else {
        return;
    };
    while super::process::is_running(pid) {
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A panic elsewhere cannot leave the slot half written.
fn locked(ended: &Ended) -> MutexGuard<'_, Option<std::io::Result<ExitStatus>>> {
    ended.lock().unwrap_or_else(PoisonError::into_inner)
}

fn described(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) => match status.signal() {
            Some(signal) => format!("ended by signal {signal}"),
            None => format!("exit code {}", status.code().unwrap_or_default()),
        },
        None => "its exit status is unknown".to_owned(),
    }
}
