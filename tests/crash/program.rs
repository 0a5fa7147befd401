//! Runs `doorbuster serve`, has it killed at a chosen point, and starts it again. Its payment
//! provider keeps running.

use std::{
    fs::{File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{http_client, port::ReservedPort, program::doorbuster, redis};

/// The administrator's password.
pub const PASSWORD: &str = "correct horse battery staple";
/// The longest start on a machine that is busy with other tests.
const READY_MAX: Duration = Duration::from_secs(180);
/// The longest time from the form to the kill. The shop queries an unknown outcome after 5 s.
const KILLED_WITHIN: Duration = Duration::from_secs(120);

/// Runs servers one after the other in one folder. Dropping it kills the processes that still run.
pub struct ServerRunner {
    folder: TempDir,
    database_url: String,
    redis_url: Option<String>,
    settings: Vec<(&'static str, String)>,
    running: Option<Child>,
    /// Those of all servers so far: no other program answers at the address of a killed server.
    ports: Vec<ReservedPort>,
    providers: Vec<Pid>,
}

impl ServerRunner {
    pub fn new(database_url: &str) -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            database_url: database_url.to_owned(),
            redis_url: redis::shared_url(),
            settings: Vec::new(),
            running: None,
            ports: Vec::new(),
            providers: Vec::new(),
        }
    }

    /// Sets the Redis of the servers, instead of the one that all tests share.
    pub fn with_redis(mut self, url: String) -> Self {
        self.redis_url = Some(url);
        self
    }

    /// Sets a variable of the environment of the servers.
    pub fn with_setting(mut self, name: &'static str, value: String) -> Self {
        self.settings.push((name, value));
        self
    }

    /// Starts a server, which is killed at `point` if one is given. Returns its URL.
    pub fn start(&mut self, point: Option<&str>) -> String {
        self.start_changed(point, |_| {})
    }

    /// The same, after a change of the command.
    pub fn start_changed(
        &mut self,
        point: Option<&str>,
        change: impl FnOnce(&mut Command),
    ) -> String {
        let port = ReservedPort::reserve();
        let address = port.address().to_string();
        self.ports.push(port);
        let mut command = doorbuster(self.folder.path(), &["serve"]);
        command
            .env("DATABASE_URL", &self.database_url)
            .env("DOORBUSTER_ADDR", &address)
            .env("DOORBUSTER_DATA", self.data())
            .env("ADMIN_PASSWORD", PASSWORD)
            .env("PAID_WITHOUT_STOCK", "backorder")
            .env("REDIS_URL", self.redis_url.as_deref().unwrap_or_default())
            .env("NO_COLOR", "1")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            // A file and not a pipe: the provider inherits it and outlives the server, so a pipe
            // would stay open.
            .stderr(self.log());
        match point {
            Some(point) => command.env("DOORBUSTER_CRASH_AT", point),
            None => command.env_remove("DOORBUSTER_CRASH_AT"),
        };
        change(&mut command);
        self.running = Some(command.spawn().expect("the program starts"));
        format!("http://{address}")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> File {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("the log opens")
    }

    /// Returns the log of all servers so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until the server at `url` is ready. Returns false if it is killed first.
    pub async fn is_ready(&mut self, url: &str) -> bool {
        let (client, deadline) = (http_client(), Instant::now() + READY_MAX);
        loop {
            let ready = client.get(format!("{url}/readyz")).send().await;
            self.remember_provider();
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            let running = self.running.as_mut().expect("it was started");
            if running.try_wait().expect("it is our child").is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "not ready: {}", self.log_text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the server is killed at its point.
    pub async fn until_killed(&mut self) {
        let deadline = Instant::now() + KILLED_WITHIN;
        let mut running = self.running.take().expect("it was started");
        loop {
            if let Some(ended) = running.try_wait().expect("it is our child") {
                let log = self.log_text();
                assert_eq!(ended.signal(), Some(9), "{ended}: {log}");
                assert!(log.contains("killed at: "), "{log}");
                self.remember_provider();
                return;
            }
            if Instant::now() > deadline {
                running.kill().ok();
                running.wait().ok();
                panic!("the server never reached its point: {}", self.log_text());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills the running server, like a power cut.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("it was started");
        running.kill().expect("it is our child");
        running.wait().expect("it is our child");
        self.remember_provider();
    }

    /// Remembers the process id of the provider from its file.
    fn remember_provider(&mut self) {
        let file = std::fs::read(self.data().join("provider.json")).unwrap_or_default();
        let file: Value = serde_json::from_slice(&file).unwrap_or_default();
        let pid = file["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.map(Pid::from_raw)
            && !self.providers.contains(&pid)
        {
            self.providers.push(pid);
        }
    }

    /// Returns the process of the provider that runs now.
    pub fn provider(&mut self) -> Option<Pid> {
        self.remember_provider();
        self.providers.last().copied()
    }

    /// Returns the number of providers that ran: one, if each server reused the running provider.
    pub fn providers(&self) -> usize {
        self.providers.len()
    }
}

impl Drop for ServerRunner {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().ok();
            running.wait().ok();
        }
        self.remember_provider();
        for provider in &self.providers {
            kill(*provider, Signal::SIGKILL).ok();
        }
    }
}
