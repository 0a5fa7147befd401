//! The servers that a benchmark starts, and the commands of the release program.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use crate::{Failure, folders::target_folder};

/// The program that cargo has built for this benchmark.
pub const PATH: &str = env!("CARGO_BIN_EXE_doorbuster");
/// The administrator's password of every started shop.
pub const PASSWORD: &str = "the password of the benchmark";
/// Longer than the server's own limit for open requests.
const STOP_MAX: Duration = Duration::from_secs(15);
/// A first start migrates and hashes the password.
const START_MAX: Duration = Duration::from_secs(60);
/// The benchmarks make no payments, and a provider process would use part of the cores.
const NO_PROVIDER: &str = "http://127.0.0.1:9";
/// Every setting of the program that a person may have set.
const SETTINGS: [&str; 27] = [
    "ADDRESS_HOLD_CENTS_MAX",
    "ADDRESS_HOLD_UNITS_MAX",
    "ADDRESS_UNPAID_MAX",
    "ADMIN_PASSWORD",
    "AUDIT_HOUR_UTC",
    "CONNECTIONS_MAX",
    "CONNECTIONS_PER_ADDRESS_MAX",
    "DATABASE_DIRECT_URL",
    "DOORBUSTER_ADDR",
    "EXPRESS_PURCHASE",
    "HOLD_TTL_S",
    "NEW_CARTS_PER_MINUTE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "PAID_WITHOUT_STOCK",
    "PAYMENT_PROVIDER_URL",
    "PAYMENT_SECRET",
    "PUBLIC_URL",
    "PURCHASE_RATE_PER_S",
    "REDIS_URL",
    "SESSION_HOLD_CENTS_MAX",
    "SESSION_HOLD_UNITS_MAX",
    "SHOP_STRATEGY",
    "SHOP_TIME_ZONE",
    "TRUSTED_PROXIES",
    "UNPAID_PAUSE_S",
];

/// A running server; it is killed if this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Program {
    /// Starts `doorbuster serve` on the database at `url` and a free port, with the default
    /// settings except for `settings`.
    pub async fn start(url: &str, settings: &[(&str, &str)]) -> Result<Self, Failure> {
        let mut serve = command("serve", url)?;
        serve
            .env("DOORBUSTER_ADDR", "127.0.0.1:0")
            .env("PAYMENT_PROVIDER_URL", NO_PROVIDER)
            .env("ADMIN_PASSWORD", PASSWORD)
            .envs(settings.iter().copied());
        Self::launch(serve).await
    }

    /// Starts a server that prints its address to standard error, and waits until it does.
    pub async fn launch(mut command: Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
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

/// Returns a command of the release program on the database at `url`, without the settings of this
/// process's environment. The process is killed if its handle is dropped.
pub fn command(name: &str, url: &str) -> Result<Command, Failure> {
    let folder = target_folder("bench-program");
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
