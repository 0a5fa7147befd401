//! Runs the `doorbuster` binary like a person in a shell.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

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
        "ADMIN_PASSWORD",
        "PAYMENT_PROVIDER_URL",
        "PAYMENT_SECRET",
        "EXPRESS_PURCHASE",
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
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("the wait ends")
        .expect("the program starts");
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).expect("text"),
        stderr: String::from_utf8(stderr).expect("text"),
        left_nothing: std::fs::read_dir(folder.path())
            .is_ok_and(|mut entries| entries.next().is_none()),
    }
}
