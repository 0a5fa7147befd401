//! `doorbuster serve` as a process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::{port::ReservedPort, program::doorbuster};

/// Much longer than a server needs.
pub const READY_MAX: Duration = Duration::from_secs(180);

/// A running server, killed when it is dropped.
pub struct Server {
    pub child: Child,
    pub url: String,
    pub address: SocketAddr,
    log: PathBuf,
    _port: ReservedPort,
}

impl Server {
    /// Starts a server on `database_url`, or on the embedded database in `folder`.
    pub fn start(folder: &Path, database_url: Option<&str>) -> Self {
        Self::spawn(folder, database_url, doorbuster(folder, &["serve"]))
    }

    /// The same with other settings, as variables of the environment.
    pub fn start_with(
        folder: &Path,
        database_url: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = doorbuster(folder, &["serve"]);
        command.envs(variables.iter().copied());
        Self::spawn(folder, database_url, command)
    }

    /// Starts a server that may open so many files.
    pub fn start_with_open_files(folder: &Path, database_url: &str, open_files: u32) -> Self {
        let script = format!("ulimit -n {open_files} && exec \"$0\" serve");
        let program = doorbuster(folder, &[]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .arg(program.get_program())
            .current_dir(folder);
        for (name, _) in program.get_envs() {
            command.env_remove(name);
        }
        Self::spawn(folder, Some(database_url), command)
    }

    fn spawn(folder: &Path, database_url: Option<&str>, mut command: Command) -> Self {
        let port = ReservedPort::reserve();
        let address = port.address();
        let log = folder.join(format!("log-{}", address.port()));
        command
            .env("DOORBUSTER_ADDR", address.to_string())
            .env("DOORBUSTER_DATA", folder.join("data"))
            .env("ADMIN_PASSWORD", "not used in this test")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("the folder is ours"));
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        Self {
            child: command.spawn().expect("the program is built"),
            url: format!("http://{address}"),
            address,
            log,
            _port: port,
        }
    }

    pub async fn until_ready(&mut self, client: &Client) {
        let deadline = Instant::now() + READY_MAX;
        while !self.is_ready(client).await {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "exited: {ended:?}: {}", self.log());
            assert!(Instant::now() < deadline, "not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn is_ready(&self, client: &Client) -> bool {
        let ready = client.get(format!("{}/readyz", self.url)).send().await;
        ready.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until the server accepts connections: it does so before it opens its database.
    pub async fn until_listening(&self) {
        let deadline = Instant::now() + READY_MAX;
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            assert!(Instant::now() < deadline, "not listening: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn buy(&self, client: &Client, key: &str) -> Value {
        let answer = client
            .post(format!("{}/api/purchase", self.url))
            .header("Idempotency-Key", key)
            .json(&json!({ "productId": 1, "quantity": 1 }))
            .send()
            .await
            .expect("the server answers");
        assert_eq!(answer.status(), 200, "{}", self.log());
        answer.json().await.expect("a receipt")
    }

    /// Posts a form of the admin pages as a browser does.
    pub async fn post(
        &self,
        client: &Client,
        form: &str,
        cookie: &str,
        fields: &str,
    ) -> reqwest::Response {
        let address = format!("{}/api/form/admin/{form}", self.url);
        let request = client
            .post(address)
            .header("Accept", "text/html")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Cookie", cookie)
            .body(fields.to_owned());
        request.send().await.expect("the server answers")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it is a child of this process");
    }

    /// Waits until the process ends. Fails the test if that takes longer than `limit`.
    pub async fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(ended) = self.child.try_wait().expect("it is our child") {
                return ended;
            }
            assert!(
                begin.elapsed() < limit,
                "still running after {limit:?}: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns what it has written to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates a folder for a server and its data.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    // If the test runs as root, PostgreSQL runs as another user, who needs access to the folder.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(folder.path(), open).expect("the test owns the folder");
    folder
}

/// Returns the units that the first lane of a run has sold, by the run's stored verdict.
pub fn sold_by_verdict(verdict: &str) -> i64 {
    let verdict: Value = serde_json::from_str(verdict).expect("JSON");
    verdict["lanes"][0]["sold"].as_i64().expect("a number")
}
