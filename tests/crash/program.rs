//! `doorbuster serve`, killed at a point of our choosing, and started again beside what it left running.

use std::{
    fs::{File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::doorbuster;

/// The administrator's password.
pub const PASSWORD: &str = "correct horse battery staple";
/// A start on a machine that is busy with other tests.
const READY_MAX: Duration = Duration::from_secs(60);
/// From the form to the point that it leads to; an outcome is asked about 5 s after it could have been known.
const KILLED_WITHIN: Duration = Duration::from_secs(40);

/// A folder in which servers run one after the other. When it goes, so does whatever still runs there.
pub struct Place {
    folder: TempDir,
    database_url: String,
    running: Option<Child>,
    providers: Vec<Pid>,
}

impl Place {
    pub fn new(database_url: &str) -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            database_url: database_url.to_owned(),
            running: None,
            providers: Vec::new(),
        }
    }

    /// Starts a server that is killed at `point`, if one is named, and returns its address.
    pub fn start(&mut self, point: Option<&str>) -> String {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let address = format!("127.0.0.1:{port}");
        let mut command = doorbuster(self.folder.path(), &["serve"]);
        command
            .env("DATABASE_URL", &self.database_url)
            .env("DOORBUSTER_ADDR", &address)
            .env("DOORBUSTER_DATA", self.data())
            .env("ADMIN_PASSWORD", PASSWORD)
            .env("PAID_WITHOUT_STOCK", "backorder")
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            // The provider inherits it, and outlives the server: a pipe would have no end.
            .stderr(self.log());
        match point {
            Some(point) => command.env("DOORBUSTER_CRASH_AT", point),
            None => command.env_remove("DOORBUSTER_CRASH_AT"),
        };
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

    /// What the servers said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Returns once the server at `url` is ready; false if it has been killed before.
    pub async fn is_ready(&mut self, url: &str) -> bool {
        let (client, deadline) = (Client::new(), Instant::now() + READY_MAX);
        loop {
            let ready = client.get(format!("{url}/readyz")).send().await;
            self.note_provider();
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            let running = self.running.as_mut().expect("it was started");
            if running.try_wait().expect("it is our child").is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "not ready: {}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns once the server has been killed at its point.
    pub async fn until_killed(&mut self) {
        let deadline = Instant::now() + KILLED_WITHIN;
        let mut running = self.running.take().expect("it was started");
        loop {
            if let Some(ended) = running.try_wait().expect("it is our child") {
                let said = self.said();
                assert_eq!(ended.signal(), Some(9), "{ended}: {said}");
                assert!(said.contains("killed at: "), "{said}");
                self.note_provider();
                return;
            }
            if Instant::now() > deadline {
                running.kill().ok();
                running.wait().ok();
                panic!("it never came to its point: {}", self.said());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills the server that runs, as a power cut would.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("it was started");
        running.kill().expect("it is our child");
        running.wait().expect("it is our child");
        self.note_provider();
    }

    /// Remembers the provider that the file tells of.
    fn note_provider(&mut self) {
        let said = std::fs::read(self.data().join("provider.json")).unwrap_or_default();
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        let pid = said["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.map(Pid::from_raw)
            && !self.providers.contains(&pid)
        {
            self.providers.push(pid);
        }
    }

    /// Providers that ran here: one, if each server found the one that it had been left.
    pub fn providers(&self) -> usize {
        self.providers.len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().ok();
            running.wait().ok();
        }
        self.note_provider();
        for provider in &self.providers {
            kill(*provider, Signal::SIGKILL).ok();
        }
    }
}
