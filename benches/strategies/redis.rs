//! A private Redis or Valkey for one measurement, without the data of another one.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use doorbuster::{model::StrategyKey, redis::Redis, shop::inventory::gate::StockGate};
use tempfile::TempDir;

use crate::{Failure, folders::target_folder};

/// The servers that speak this protocol, in the order of preference.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// The strategy whose orders are in Redis before they are in the database.
const QUEUE: &str = "redis-stream";
/// The longest start.
const START_MAX: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running server; it is killed when this is dropped.
pub struct PrivateRedis {
    process: Child,
    pub url: String,
    // The last field: the folder is removed after the server has ended.
    _folder: TempDir,
}

impl PrivateRedis {
    /// Starts an empty server for a strategy; `None` if the strategy needs none. It persists
    /// nothing, because the row decides; but a queue of orders is on disk before it answers.
    pub async fn start_for(strategy: StrategyKey) -> Result<Option<Self>, Failure> {
        if !strategy.row().needs_redis {
            return Ok(None);
        }
        let program = program().ok_or("neither redis-server nor valkey-server is installed")?;
        let parent = target_folder("bench-redis");
        std::fs::create_dir_all(&parent)?;
        let folder = tempfile::tempdir_in(parent)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let append_only = if strategy.as_str() == QUEUE {
            "yes"
        } else {
            "no"
        };
        let process = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", append_only])
            .args(["--appendfsync", "always", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self {
            process,
            url: format!("redis://127.0.0.1:{port}/"),
            _folder: folder,
        };
        server.until_ready().await?;
        Ok(Some(server))
    }

    /// Returns new gates on this server.
    pub fn gate(&self) -> Result<StockGate, Failure> {
        Ok(StockGate::new(Redis::at(&self.url)?, "bench"))
    }

    async fn until_ready(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            // A handle that has failed refuses the next calls at once.
            let answer = Redis::at(&self.url)?.incarnation().await;
            if let Some(ended) = self.process.try_wait()? {
                return Err(format!("Redis ended with {ended}").into());
            }
            match answer {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > START_MAX => return Err(error.into()),
                Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
            }
        }
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = killed {
            eprintln!("bench: Redis was not stopped: {error}");
        }
    }
}

/// True if a server can be started.
pub fn is_installed() -> bool {
    program().is_some()
}

/// Returns the name and version of the installed server.
pub fn version() -> Option<String> {
    let output = Command::new(program()?).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace();
    let name = words.next()?;
    let number = words.find_map(|word| word.strip_prefix("v="))?;
    Some(format!("{name} {number}"))
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .collect();
    let mut files = PROGRAMS
        .iter()
        .flat_map(|program| folders.iter().map(move |folder| folder.join(program)));
    files.find(|file| file.is_file())
}
