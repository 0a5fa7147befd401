//! A database server that one test owns, kills, and starts again on the same data: an embedded
//! PostgreSQL, or a MariaDB if the tests run on it.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use doorbuster::db::{embedded::EmbeddedPostgres, engine::Engine};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::{
    PATIENCE, database::ByHand, port::ReservedPort, server::Server, small_disk::SmallDisk, within,
};

/// The time between two looks at a server.
const POLL: Duration = Duration::from_millis(50);

pub struct OwnDatabase {
    url: String,
    server: OwnServer,
    /// If the data is on one.
    disk: Option<SmallDisk>,
    // The last field: the folder is removed after the server has ended.
    _folder: TempDir,
}

enum OwnServer {
    Postgres {
        data: PathBuf,
        /// `None` while it is killed.
        running: Option<Box<EmbeddedPostgres>>,
    },
    MariaDb(MariaDb),
}

impl OwnDatabase {
    /// Starts a new, empty server.
    pub async fn start() -> Self {
        Self::start_in(folder(), None).await
    }

    /// The same with its data on a disk of its own, which a test can fill.
    ///
    /// # Errors
    /// Why this machine has no such disk.
    pub async fn start_on_small_disk() -> Result<Self, String> {
        let folder = folder();
        let disk = SmallDisk::mount(folder.path())?;
        Ok(Self::start_in(folder, Some(disk)).await)
    }

    async fn start_in(folder: TempDir, disk: Option<SmallDisk>) -> Self {
        let data = folder.path().join("data");
        let (url, server) = match Server::get().engine() {
            Engine::Postgres => {
                let running = start_postgres(&data).await;
                let url = running.url().to_owned();
                let running = Some(Box::new(running));
                (url, OwnServer::Postgres { data, running })
            }
            Engine::MySql => {
                let server = MariaDb::new(data);
                (server.start().await, OwnServer::MariaDb(server))
            }
        };
        Self {
            url,
            server,
            disk,
            _folder: folder,
        }
    }

    /// The disk of [`Self::start_on_small_disk`].
    pub fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills all processes of the server, so that none can write anything more.
    pub async fn kill(&mut self) {
        match &mut self.server {
            OwnServer::Postgres { data, running } => {
                let pidfile = std::fs::read_to_string(data.join("postgres/postmaster.pid"))
                    .expect("the file contains the server's process id");
                let pid = pidfile.lines().next().and_then(|pid| pid.parse().ok());
                killpg(Pid::from_raw(pid.expect("a number")), Signal::SIGKILL).expect("it runs");
                let killed = running.take().expect("it runs");
                assert!(
                    killed.stop().await.is_err(),
                    "stopping a killed server fails"
                );
            }
            OwnServer::MariaDb(server) => {
                server.kill();
                within(PATIENCE, "the end of MariaDB", server.until_gone()).await;
            }
        }
    }

    /// Waits until the server accepts connections, and starts it again if it has ended by itself.
    pub async fn ensure_running(&mut self) {
        while ByHand::try_new(&self.url).await.is_none() {
            if self.has_ended() {
                if let OwnServer::Postgres { running, .. } = &mut self.server
                    && let Some(ended) = running.take()
                {
                    // It reports how the server has ended.
                    ended.stop().await.ok();
                }
                self.restart().await;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn has_ended(&self) -> bool {
        let process = self.process();
        process.is_none_or(|process| kill(process, None).is_err())
    }

    /// Returns the processes of the server, the one that started the others first.
    pub fn processes(&self) -> Vec<Pid> {
        let first = self.process().expect("it runs");
        let children = format!("/proc/{first}/task/{first}/children");
        let children = std::fs::read_to_string(children).expect("it runs");
        let children = children.split_whitespace();
        let children = children.map(|pid| Pid::from_raw(pid.parse().expect("a number")));
        std::iter::once(first).chain(children).collect()
    }

    /// Returns the process of the server, or the one that started the others.
    fn process(&self) -> Option<Pid> {
        let file = match &self.server {
            OwnServer::Postgres { data, .. } => data.join("postgres/postmaster.pid"),
            OwnServer::MariaDb(server) => server.data.join("engines/mariadb/server.pid"),
        };
        let file = std::fs::read_to_string(file).ok()?;
        file.lines().next()?.trim().parse().ok().map(Pid::from_raw)
    }

    /// Starts the server again. Returns when it accepts connections.
    pub async fn restart(&mut self) {
        let url = match &mut self.server {
            OwnServer::Postgres { data, running } => {
                let server = start_postgres(data).await;
                let url = server.url().to_owned();
                *running = Some(Box::new(server));
                url
            }
            OwnServer::MariaDb(server) => server.start().await,
        };
        assert_eq!(url, self.url);
    }
}

fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("killed-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a temporary folder");
    // The operating-system user of the server needs access.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
    folder
}

async fn start_postgres(data: &Path) -> EmbeddedPostgres {
    within(PATIENCE * 3, "PostgreSQL", EmbeddedPostgres::start(data))
        .await
        .expect("it starts")
}

/// A MariaDB that `scripts/engines.sh` starts, and whose commits wait for the disk.
struct MariaDb {
    data: PathBuf,
    port: ReservedPort,
}

impl MariaDb {
    fn new(data: PathBuf) -> Self {
        let port = ReservedPort::reserve();
        Self { data, port }
    }

    /// Starts it. Returns the URL of a database.
    async fn start(&self) -> String {
        let started = tokio::process::Command::new("scripts/engines.sh")
            .arg("mariadb")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("DOORBUSTER_DATA", &self.data)
            .env("DOORBUSTER_ENGINES_PORT", self.port.number().to_string())
            .env_remove("DOORBUSTER_ENGINES_DURABLE")
            .output();
        let started = within(PATIENCE * 3, "MariaDB", started).await;
        let started = started.expect("the script runs");
        let message = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.success(), "{message}");
        let printed = String::from_utf8(started.stdout).expect("text");
        let url = printed.trim().strip_prefix("DATABASE_URL=");
        let url = url.expect("the script prints the URL").to_owned();
        self.check_password(&url);
        url
    }

    /// The password in the URL is in a file that no other account can read.
    fn check_password(&self, url: &str) {
        let file = self.data.join("engines/password");
        let password = std::fs::read_to_string(&file).expect("the password");
        assert_eq!(password.len(), 32);
        assert!(url.contains(&format!("://doorbuster:{password}@")));
        let mode = std::fs::metadata(&file).expect("it exists").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    /// Kills it, unless it was killed already.
    fn kill(&self) {
        let file = self.data.join("engines/mariadb/server.pid");
        let Ok(pid) = std::fs::read_to_string(&file) else {
            return;
        };
        // Another process may get this number.
        std::fs::remove_file(&file).expect("the file is removed");
        kill(
            Pid::from_raw(pid.trim().parse().expect("a number")),
            Signal::SIGKILL,
        )
        .ok();
    }

    async fn until_gone(&self) {
        while TcpStream::connect(self.port.address()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}
