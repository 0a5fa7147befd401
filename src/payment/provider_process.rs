//! Supervises a simulated payment provider. The provider is a separate process, so that it survives
//! a kill of the shop.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    gateway::GatewayAddress,
    wire::{HealthBody, SERVICE, WebhookUrlBody},
};
use crate::http_client;

/// The environment variable that holds the provider's secret. The secret is never a command-line
/// argument: every user of the machine can read those.
pub const SECRET_VARIABLE: &str = "PAYMENT_SECRET";

/// The file in the data folder that describes the running provider.
const FILE_NAME: &str = "provider.json";
/// How long a provider may take until it listens. It does not wait for its database.
const START_MAX: Duration = Duration::from_secs(15);
/// How long a provider may take to exit. It may be killed at any time, so this is short: the shop
/// itself has 10 s to stop.
const STOP_MAX: Duration = Duration::from_secs(2);
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// A provider counts as gone after this many failed health checks in a row.
const CHECKS_FAILED_MAX: u32 = 2;
/// A provider whose shop was killed exits after this time, unless another shop adopts it.
const EXIT_WHEN_IDLE_S: u32 = 60;
/// How many bytes of the hash of the database URL are stored. They distinguish databases and do not
/// reveal the password.
const FINGERPRINT_BYTES: usize = 8;

/// The settings with which a provider is started.
#[derive(Clone)]
pub struct ProviderLaunch {
    /// The program that has the subcommand `provider`, usually the current executable.
    pub program: PathBuf,
    pub database_url: String,
    /// The folder of the provider file. It is created if it does not exist.
    pub data: PathBuf,
    pub secret: String,
    /// Where webhooks go. `None`: the provider stores its events until it receives a URL.
    pub webhook_url: Option<Url>,
}

/// Why no provider could be found or started.
#[derive(Debug, thiserror::Error)]
pub enum ProviderProcessError {
    #[error("could not start the payment provider: {0}")]
    Spawn(#[source] io::Error),
    #[error("the payment provider exited before it listened; see its error output above")]
    Ended,
    #[error("the payment provider did not start listening within {START_MAX:?}")]
    Slow,
    #[error("could not create an HTTP client for the payment provider: {0}")]
    Client(#[from] reqwest::Error),
}

/// A supervised provider. If it is dropped without [`ProviderProcess::stop`], the provider process
/// keeps running, and the next shop can adopt it.
pub struct ProviderProcess {
    stop: CancellationToken,
    supervisor: JoinHandle<RunningProvider>,
    file: PathBuf,
}

/// A provider that answered its health check.
struct RunningProvider {
    url: Url,
    /// `None` if another shop process started it.
    child: Option<Child>,
}

/// The contents of the provider file.
#[derive(Serialize, Deserialize)]
struct ProviderFile {
    url: String,
    pid: u32,
    /// Fingerprint of the URL of the provider's database.
    database: String,
}

impl ProviderProcess {
    /// Adopts the provider that an earlier shop left running, or starts one. Then supervises it:
    /// whenever it is gone, another one is started, and the address is updated.
    pub async fn ensure(
        launch: ProviderLaunch,
    ) -> Result<(Self, GatewayAddress), ProviderProcessError> {
        let client = http_client::builder()
            .timeout(CHECK_TIMEOUT)
            .no_proxy()
            .build()?;
        let supervisor = ProviderSupervisor { launch, client };
        let file = supervisor.provider_file();
        let running = supervisor.find_or_start().await?;
        let address = GatewayAddress::new(running.url.clone());
        let stop = CancellationToken::new();
        let supervisor = tokio::spawn(supervisor.supervise(running, address.clone(), stop.clone()));
        Ok((
            Self {
                stop,
                supervisor,
                file,
            },
            address,
        ))
    }

    /// Stops the provider if this process started it, and leaves it running otherwise. Its pending
    /// work is stored in its tables.
    pub async fn stop(self) {
        self.stop.cancel();
        let Ok(RunningProvider { child, .. }) = self.supervisor.await else {
            return;
        };
        if let Some(child) = child {
            let pid = child.id();
            terminate(child).await;
            remove_provider_file(&self.file, pid).await;
        }
    }
}

struct ProviderSupervisor {
    launch: ProviderLaunch,
    client: Client,
}

impl ProviderSupervisor {
    async fn supervise(
        self,
        mut running: RunningProvider,
        address: GatewayAddress,
        stop: CancellationToken,
    ) -> RunningProvider {
        while self.wait_until_gone(&mut running, &stop).await {
            if let Some(hung) = &mut running.child {
                // It does not answer, so it would not react to a signal to exit.
                hung.kill().await.ok();
            }
            let Some(started) = stop.run_until_cancelled(self.find_or_start()).await else {
                break;
            };
            match started {
                Ok(another) => {
                    tracing::warn!(url = %another.url, "the payment provider had exited; another one replaces it");
                    address.set(another.url.clone());
                    running = another;
                }
                Err(error) => {
                    tracing::error!(%error, "the payment provider has exited and could not be restarted")
                }
            }
        }
        running
    }

    /// Returns `true` once the provider is gone, and `false` once `stop` is cancelled.
    async fn wait_until_gone(
        &self,
        running: &mut RunningProvider,
        stop: &CancellationToken,
    ) -> bool {
        let mut failed = 0;
        while failed < CHECKS_FAILED_MAX {
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
            if let Some(child) = &mut running.child
                && matches!(child.try_wait(), Ok(Some(_)))
            {
                return true;
            }
            match stop
                .run_until_cancelled(self.is_healthy(&running.url))
                .await
            {
                Some(true) => failed = 0,
                Some(false) => failed += 1,
                None => return false,
            }
        }
        true
    }

    async fn find_or_start(&self) -> Result<RunningProvider, ProviderProcessError> {
        if let Some(url) = self.find_running().await {
            return Ok(RunningProvider { url, child: None });
        }
        let (url, child) = self.start().await?;
        if let Err(error) = self
            .write_provider_file(&url, child.id().unwrap_or_default())
            .await
        {
            // The provider works, but a later shop cannot find it.
            tracing::warn!(%error, "could not write {}", self.provider_file().display());
        }
        let child = Some(child);
        Ok(RunningProvider { url, child })
    }

    /// Finds the provider described in the provider file, if it uses the same database and the same
    /// secret. Sets its webhook URL to this shop's.
    async fn find_running(&self) -> Option<Url> {
        let text = tokio::fs::read(self.provider_file()).await.ok()?;
        let announced: ProviderFile = serde_json::from_slice(&text).ok()?;
        let url = Url::parse(&announced.url).ok()?;
        if announced.database != fingerprint(&self.launch.database_url)
            || !self.is_healthy(&url).await
        {
            return None;
        }
        let Some(webhook_url) = &self.launch.webhook_url else {
            return Some(url);
        };
        let mut endpoint = url.clone();
        endpoint.set_path("/v1/webhook-url");
        let body = WebhookUrlBody {
            url: webhook_url.to_string(),
        };
        let request = self.client.post(endpoint).bearer_auth(&self.launch.secret);
        // While its database is unavailable it answers with an error, but it has set the URL.
        request.json(&body).send().await.ok()?;
        Some(url)
    }

    async fn is_healthy(&self, url: &Url) -> bool {
        let mut endpoint = url.clone();
        endpoint.set_path("/healthz");
        let request = self.client.get(endpoint).bearer_auth(&self.launch.secret);
        let Ok(answer) = request.send().await else {
            return false;
        };
        let health: Result<HealthBody, _> = answer.json().await;
        health.is_ok_and(|health| health.service == SERVICE)
    }

    async fn start(&self) -> Result<(Url, Child), ProviderProcessError> {
        let child = Command::new(&self.launch.program)
            .args(["provider", "--addr", "127.0.0.1:0"])
            .args(["--exit-when-idle-s", &EXIT_WHEN_IDLE_S.to_string()])
            .args(
                self.launch
                    .webhook_url
                    .iter()
                    .flat_map(|url| ["--webhook-url", url.as_str()]),
            )
            .env("DATABASE_URL", &self.launch.database_url)
            .env(SECRET_VARIABLE, &self.launch.secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A separate process group: Ctrl-C in the shop's terminal must not stop the provider,
            // which the shop needs until it has shut down.
            .process_group(0)
            .spawn()
            .map_err(ProviderProcessError::Spawn)?;
        let mut starting = StartingProvider(Some(child));
        match timeout(START_MAX, starting.first_line()).await {
            Ok(Some(url)) => Ok((url, starting.into_child()?)),
            Ok(None) => Err(ProviderProcessError::Ended),
            Err(_) => Err(ProviderProcessError::Slow),
        }
    }

    fn provider_file(&self) -> PathBuf {
        self.launch.data.join(FILE_NAME)
    }

    /// Writes the provider file: under another name first, then renamed, so that no reader sees
    /// half of it.
    async fn write_provider_file(&self, url: &Url, pid: u32) -> io::Result<()> {
        let announced = ProviderFile {
            url: url.to_string(),
            pid,
            database: fingerprint(&self.launch.database_url),
        };
        let draft = self.launch.data.join(format!("{FILE_NAME}.{pid}"));
        tokio::fs::create_dir_all(&self.launch.data).await?;
        tokio::fs::write(&draft, serde_json::to_vec(&announced)?).await?;
        tokio::fs::rename(&draft, self.provider_file()).await
    }
}

/// A provider that does not listen yet. It is killed if it is dropped: nothing knows its URL.
struct StartingProvider(Option<Child>);

impl StartingProvider {
    /// Reads the URL that a provider prints once it listens.
    async fn first_line(&mut self) -> Option<Url> {
        let stdout = self.0.as_mut()?.stdout.take()?;
        let line = BufReader::new(stdout).lines().next_line().await.ok()??;
        Url::parse(&line).ok()
    }

    fn into_child(mut self) -> Result<Child, ProviderProcessError> {
        self.0.take().ok_or(ProviderProcessError::Ended)
    }
}

impl Drop for StartingProvider {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.start_kill().ok();
        }
    }
}

/// Sends SIGTERM, and kills the process if it does not exit in time.
async fn terminate(mut child: Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid {
        kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    }
    if timeout(STOP_MAX, child.wait()).await.is_err() {
        tracing::warn!("the payment provider did not exit in time; killing it");
        child.kill().await.ok();
    }
}

/// Deletes the provider file, unless it describes another provider by now.
async fn remove_provider_file(file: &Path, pid: Option<u32>) {
    let announced = tokio::fs::read(file).await.ok();
    let announced: Option<ProviderFile> =
        announced.and_then(|text| serde_json::from_slice(&text).ok());
    if announced.is_some_and(|announced| Some(announced.pid) == pid) {
        tokio::fs::remove_file(file).await.ok();
    }
}

fn fingerprint(database_url: &str) -> String {
    hex::encode(&Sha256::digest(database_url)[..FINGERPRINT_BYTES])
}
