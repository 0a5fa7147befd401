//! The served release program.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use crate::{Failure, server};

/// Longer than the server's own limit for open requests.
const STOP_MAX: Duration = Duration::from_secs(15);
/// The benchmark makes no payments, and a provider process would use part of the cores.
const NO_PROVIDER: &str = "http://127.0.0.1:9";

/// A running server; it is killed if this is dropped.
pub struct Program {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Program {
    /// Starts `doorbuster serve` on the database at `url` and a free port. All `pages` come from
    /// one address, which may have half of all connections.
    pub async fn start(url: &str, pages: u32) -> Result<Self, Failure> {
        let folder = server::folder("bench-program");
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorbuster"));
        for name in [
            "PUBLIC_URL",
            "ADMIN_PASSWORD",
            "SHOP_STRATEGY",
            "PURCHASE_RATE_PER_S",
            "EXPRESS_PURCHASE",
            "DATABASE_READ_URL",
        ] {
            command.env_remove(name);
        }
        let connections = 2 * (pages + 2_000);
        let mut child = command
            .arg("serve")
            .current_dir(&folder)
            .env("DATABASE_URL", url)
            .env("DOORBUSTER_DATA", &folder)
            .env("DOORBUSTER_ADDR", "127.0.0.1:0")
            .env("PAYMENT_PROVIDER_URL", NO_PROVIDER)
            .env("CONNECTIONS_MAX", connections.to_string())
            .env("CONNECTIONS_PER_ADDRESS_MAX", connections.to_string())
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let address = address_in(&mut lines).await?;
        // Keep reading, or the server would block once the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, address })
    }

    /// Stops the server with SIGTERM, as an operator would.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        if tokio::time::timeout(STOP_MAX, self.child.wait())
            .await
            .is_err()
        {
            self.child.kill().await?;
        }
        Ok(())
    }
}

async fn address_in(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<String, Failure> {
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once("http://") {
            let address = address.split('/').next().unwrap_or_default();
            return Ok(address.to_owned());
        }
    }
    Err("the server exited before it printed its address".into())
}
