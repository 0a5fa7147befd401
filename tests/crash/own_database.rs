//! A database server that one test owns, kills, and starts again on the same data.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use doorbuster::db::embedded::EmbeddedPostgres;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::support::{PATIENCE, within};

pub struct OwnDatabase {
    url: String,
    data: PathBuf,
    /// `None` while it is killed.
    server: Option<EmbeddedPostgres>,
    // The last field: the folder is removed after the server has ended.
    _folder: TempDir,
}

impl OwnDatabase {
    /// Starts a new, empty server.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("killed-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        // The operating-system user of the server needs access.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let data = folder.path().join("data");
        let server = start(&data).await;
        Self {
            url: server.url().to_owned(),
            data,
            server: Some(server),
            _folder: folder,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the process group of the server, so that no process can write anything more.
    pub async fn kill(&mut self) {
        let pidfile = std::fs::read_to_string(self.data.join("postgres/postmaster.pid"))
            .expect("the file contains the server's process id");
        let pid = pidfile.lines().next().and_then(|pid| pid.parse().ok());
        killpg(Pid::from_raw(pid.expect("a number")), Signal::SIGKILL).expect("it runs");
        let killed = self.server.take().expect("it runs");
        assert!(
            killed.stop().await.is_err(),
            "stopping a killed server fails"
        );
    }

    /// Starts the server again. Returns when it accepts connections.
    pub async fn restart(&mut self) {
        let server = start(&self.data).await;
        assert_eq!(server.url(), self.url);
        self.server = Some(server);
    }
}

async fn start(data: &Path) -> EmbeddedPostgres {
    within(PATIENCE * 3, "PostgreSQL", EmbeddedPostgres::start(data))
        .await
        .expect("it starts")
}
