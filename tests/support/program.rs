//! Runs the `doorbuster` binary like a person in a shell.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, within};

/// Builds a command for the binary in `folder`, without the environment variables that it reads.
pub fn doorbuster(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorbuster"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    for name in [
        "DATABASE_URL",
        "DOORBUSTER_DATA",
        "DOORBUSTER_ADDR",
        "PUBLIC_URL",
        "TRUSTED_PROXIES",
        "CONNECTIONS_MAX",
        "CONNECTIONS_PER_ADDRESS_MAX",
        "ADMIN_PASSWORD",
        "DATABASE_DIRECT_URL",
        "REDIS_URL",
        "PAYMENT_PROVIDER_URL",
        "PAYMENT_SECRET",
        "EXPRESS_PURCHASE",
        "METRICS_ADDR",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// The result of a run of the program.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Whether the working folder is still empty.
    pub left_nothing: bool,
}

impl Ended {
    fn of(output: Output, folder: &TempDir) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
            left_nothing: std::fs::read_dir(folder.path())
                .is_ok_and(|mut entries| entries.next().is_none()),
        }
    }

    /// Parses standard output, which must be one JSON object.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in standard output: {:?}", self.stdout))
    }

    #[track_caller]
    pub fn check_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "standard output:\n{}\nstandard error:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Runs the program to its end in a new folder.
pub async fn run(database_url: Option<&str>, arguments: &[&str]) -> Ended {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = doorbuster(folder.path(), arguments);
    if let Some(url) = database_url {
        command.env("DATABASE_URL", url);
    }
    end_of(command, &folder).await
}

/// Runs the program to its end in a new folder, with standard output connected to `stdout`.
pub async fn run_into(stdout: Stdio, database_url: &str, arguments: &[&str]) -> Ended {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = doorbuster(folder.path(), arguments);
    command
        .env("DATABASE_URL", database_url)
        .stdout(stdout)
        .stderr(Stdio::piped());
    end_of(command, &folder).await
}

/// Starts the program in a new folder, sends it `signal` when `ready` resolves, and waits until
/// both the program and everything to which it passed its standard error have ended.
pub async fn run_until(
    signal: Signal,
    database_url: &str,
    arguments: &[&str],
    ready: impl Future<Output = ()>,
) -> Ended {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = doorbuster(folder.path(), arguments);
    command
        .env("DATABASE_URL", database_url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    ready.await;
    kill(pid, signal).expect("it runs");
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = within(PATIENCE, "the program's end", output).await;
    let output = output.expect("the wait ends").expect("it ends");
    Ended::of(output, &folder)
}

/// Runs a command to its end.
pub async fn end_of(mut command: Command, folder: &TempDir) -> Ended {
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("the wait ends")
        .expect("the program starts");
    Ended::of(output, folder)
}
