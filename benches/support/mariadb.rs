//! A private MariaDB, with the script that also starts those for development.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Command, Stdio},
};

use url::Url;

use crate::{Failure, folders::target_folder};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/engines.sh");

/// A running server; it is stopped when this is dropped. Its data is kept.
pub struct PrivateMariaDb {
    folder: PathBuf,
}

impl PrivateMariaDb {
    /// Starts the server, and returns its URL: that of its unix socket, as for PostgreSQL.
    pub fn start() -> Result<(Self, Url), Failure> {
        let server = Self {
            folder: std::path::absolute(folder())?,
        };
        // The port is needed only by the script.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let output = server
            .script("start")
            .env("DOORBUSTER_ENGINES_PORT", port.to_string())
            .stderr(Stdio::inherit())
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let url = printed
            .lines()
            .find_map(|line| line.strip_prefix("DATABASE_URL="));
        let mut url = Url::parse(url.ok_or("scripts/engines.sh did not start MariaDB")?)?;
        let socket = server.folder.join("engines/mariadb/server.sock");
        url.set_host(Some("localhost"))?;
        url.query_pairs_mut()
            .append_pair("socket", &socket.to_string_lossy());
        Ok((server, url))
    }

    fn script(&self, action: &str) -> Command {
        let mut script = Command::new(SCRIPT);
        script
            .args(["mariadb", action])
            .env("DOORBUSTER_DATA", &self.folder)
            .stdin(Stdio::null());
        script
    }
}

impl Drop for PrivateMariaDb {
    fn drop(&mut self) {
        match self.script("stop").status() {
            Ok(status) if status.success() => {}
            Ok(status) => eprintln!("bench: MariaDB was not stopped: {status}"),
            Err(error) => eprintln!("bench: MariaDB was not stopped: {error}"),
        }
    }
}

/// The account as which the server runs must be able to reach the folder, so `DOORBUSTER_DATA` can
/// choose another one.
fn folder() -> PathBuf {
    match std::env::var_os("DOORBUSTER_DATA").filter(|data| !data.is_empty()) {
        Some(data) => PathBuf::from(data).join("bench-mariadb"),
        None => target_folder("bench-mariadb"),
    }
}
