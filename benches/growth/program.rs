//! The release program: its server, and its commands.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use crate::{Failure, options::target_folder};

/// The program that cargo has built for this benchmark.
pub const PATH: &str = env!("CARGO_BIN_EXE_doorbuster");
/// The administrator's password of every started server.
pub const PASSWORD: &str = "the password of the growth benchmark";
/// Longer than the server's own limit for open requests.
const STOP_MAX: Duration = Duration::from_secs(15);
/// A first start migrates and hashes the password.
const START_MAX: Duration = Duration::from_secs(60);
/// The benchmark makes no payments on a server, and a provider process would use part of the cores.
const NO_PROVIDER: &str = "http://127.0.0.1:9";
/// Every setting of the program that a person may have set.
const SETTINGS: [&str; 16] = [
    "DOORBUSTER_ADDR",
    "PUBLIC_URL",
    "TRUSTED_PROXIES",
    "CONNECTIONS_MAX",
    "CONNECTIONS_PER_ADDRESS_MAX",
    "ADMIN_PASSWORD",
    "EXPRESS_PURCHASE",
    "PURCHASE_RATE_PER_S",
    "AUDIT_HOUR_UTC",
    "NEW_CARTS_PER_MINUTE",
    "PAYMENT_PROVIDER_URL",
    "PAYMENT_SECRET",
    "HOLD_TTL_S",
    "SHOP_STRATEGY",
    "PAID_WITHOUT_STOCK",
    "DATABASE_READ_URL",
];

/// A running server; it is killed if this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Program {
    /// Starts `doorbuster serve` with the default settings, on the database at `url` and a free
    /// port.
    pub async fn start(url: &str) -> Result<Self, Failure> {
        let mut child = command("serve", url)?
            .env("DOORBUSTER_ADDR", "127.0.0.1:0")
            .env("PAYMENT_PROVIDER_URL", NO_PROVIDER)
            .env("ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let address = tokio::time::timeout(START_MAX, address_in(&mut lines))
            .await
            .map_err(|_| "the server did not print its address within a minute")??;
        // Keep reading, or the server would block once the pipe is full.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if !line.trim().is_empty() && !line.starts_with("  ") {
                    eprintln!("server: {line}");
                }
            }
        });
        Ok(Self { child, address })
    }

    /// Stops the server with SIGTERM, as an operator would.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        let ended = tokio::time::timeout(STOP_MAX, self.child.wait()).await;
        if ended.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// Runs a command of the program on the database at `url` until it ends.
///
/// # Errors
/// If it ends with another code than 0.
pub async fn run(name: &str, url: &str, arguments: &[&str]) -> Result<(), Failure> {
    let status = command(name, url)?
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .await?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("doorbuster {name} ended with {status}").into())
    }
}

/// Returns the program's command, without the settings of this process's environment. The process
/// is killed if its handle is dropped.
fn command(name: &str, url: &str) -> Result<Command, Failure> {
    let folder = target_folder("growth-program");
    std::fs::create_dir_all(&folder)?;
    let mut command = Command::new(PATH);
    for setting in SETTINGS {
        command.env_remove(setting);
    }
    command
        .arg(name)
        .current_dir(&folder)
        .env("DATABASE_URL", url)
        .env("DOORBUSTER_DATA", &folder)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

async fn address_in(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<String, Failure> {
    let mut printed = Vec::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once("http://") {
            let address = address.split('/').next().unwrap_or_default();
            return Ok(address.to_owned());
        }
        printed.push(line);
    }
    Err(format!("the server did not start: {}", printed.join(" ")).into())
}
