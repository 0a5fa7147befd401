//! Keeps a simulated provider running beside the shop: a process of its own, which a kill of the shop does not reach.

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
    wire::{HealthBody, SERVICE, WebhookOrder},
};

/// Where the secret stands in the provider's environment. It is never an argument: those are for everybody to see.
pub const SECRET_VARIABLE: &str = "PAYMENT_SECRET";

/// In the data folder: which provider runs.
const FILE_NAME: &str = "provider.json";
/// How long a provider may take to listen; it does not wait for its database.
const START_MAX: Duration = Duration::from_secs(15);
/// How long a provider may take to end.
const STOP_MAX: Duration = Duration::from_secs(5);
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// A provider that does not answer that often in a row is gone.
const CHECKS_FAILED_MAX: u32 = 2;
/// A provider whose shop was killed, and which nobody takes over, ends after so long.
const EXIT_WHEN_IDLE_S: u32 = 60;
/// Of the hash of the database's URL. It tells one database from another, and nothing of the password in it.
const FINGERPRINT_BYTES: usize = 8;

/// How a provider is started.
#[derive(Clone)]
pub struct ProviderLaunch {
    /// The program that has the subcommand `provider`: mostly the one that runs.
    pub program: PathBuf,
    pub database_url: String,
    /// Where the file lies that tells of it; made if absent.
    pub data: PathBuf,
    pub secret: String,
    /// `None`: nobody listens, and what there is to tell is kept.
    pub webhook_url: Option<Url>,
}

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderProcessError {
    #[error("the payment provider cannot be started: {0}")]
    Spawn(#[source] io::Error),
    #[error("the payment provider ended before it listened; what it said stands above")]
    Ended,
    #[error("the payment provider does not listen after {START_MAX:?}")]
    Slow,
    #[error("the payment provider cannot be asked: {0}")]
    Client(#[from] reqwest::Error),
}

/// A provider that is kept running. Dropped without [`ProviderProcess::stop`], it leaves the provider to whoever comes next.
pub struct ProviderProcess {
    stop: CancellationToken,
    keeper: JoinHandle<Running>,
    file: PathBuf,
}

/// A provider that answers.
struct Running {
    url: Url,
    /// `None` if somebody else started it.
    child: Option<Child>,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Announcement {
    url: String,
    pid: u32,
    /// Of the database that it works on.
    database: String,
}

impl ProviderProcess {
    /// Finds the provider that an earlier shop left running, or starts one. From then on it is looked after: whenever it is gone, another
    /// one is started, and the address follows.
    ///
    /// # Errors
    /// [`ProviderProcessError`].
    pub async fn ensure(
        launch: ProviderLaunch,
    ) -> Result<(Self, GatewayAddress), ProviderProcessError> {
        let client = Client::builder()
            .timeout(CHECK_TIMEOUT)
            .no_proxy()
            .build()?;
        let keeper = Keeper { launch, client };
        let file = keeper.file();
        let running = keeper.find_or_start().await?;
        let address = GatewayAddress::new(running.url.clone());
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keeper.keep(running, address.clone(), stop.clone()));
        Ok((Self { stop, keeper, file }, address))
    }

    /// Ends the provider if we started it, and leaves it alone otherwise. What it owes stands in its tables.
    pub async fn stop(self) {
        self.stop.cancel();
        let Ok(Running { child, .. }) = self.keeper.await else {
            return;
        };
        if let Some(child) = child {
            let pid = child.id();
            end(child).await;
            withdraw(&self.file, pid).await;
        }
    }
}

struct Keeper {
    launch: ProviderLaunch,
    client: Client,
}

impl Keeper {
    async fn keep(
        self,
        mut running: Running,
        address: GatewayAddress,
        stop: CancellationToken,
    ) -> Running {
        while self.until_gone(&mut running, &stop).await {
            if let Some(hung) = &mut running.child {
                // It does not answer, so it is not asked.
                hung.kill().await.ok();
            }
            match self.find_or_start().await {
                Ok(another) => {
                    tracing::warn!(url = %another.url, "the payment provider was gone, and another one took over");
                    address.set(another.url.clone());
                    running = another;
                }
                Err(error) => tracing::error!(%error, "the payment provider is gone"),
            }
        }
        running
    }

    /// True once the provider is gone, false once it is no longer to be kept.
    async fn until_gone(&self, running: &mut Running, stop: &CancellationToken) -> bool {
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
            match self.is_provider(&running.url).await {
                true => failed = 0,
                false => failed += 1,
            }
        }
        true
    }

    async fn find_or_start(&self) -> Result<Running, ProviderProcessError> {
        if let Some(url) = self.find().await {
            return Ok(Running { url, child: None });
        }
        let (url, child) = self.start().await?;
        if let Err(error) = self.announce(&url, child.id().unwrap_or_default()).await {
            // It works all the same; only, nobody will find it.
            tracing::warn!(%error, "{} was not written", self.file().display());
        }
        let child = Some(child);
        Ok(Running { url, child })
    }

    /// The provider that the file tells of, if it works on our database, has our secret, and sends its webhooks to us from now on.
    async fn find(&self) -> Option<Url> {
        let text = tokio::fs::read(self.file()).await.ok()?;
        let said: Announcement = serde_json::from_slice(&text).ok()?;
        let url = Url::parse(&said.url).ok()?;
        if said.database != fingerprint(&self.launch.database_url) || !self.is_provider(&url).await
        {
            return None;
        }
        let Some(webhook_url) = &self.launch.webhook_url else {
            return Some(url);
        };
        let mut place = url.clone();
        place.set_path("/v1/webhook-url");
        let order = WebhookOrder {
            url: webhook_url.to_string(),
        };
        let request = self.client.post(place).bearer_auth(&self.launch.secret);
        // While its database is away it answers with an error, but has taken note.
        request.json(&order).send().await.ok()?;
        Some(url)
    }

    async fn is_provider(&self, url: &Url) -> bool {
        let mut place = url.clone();
        place.set_path("/healthz");
        let request = self.client.get(place).bearer_auth(&self.launch.secret);
        let Ok(answer) = request.send().await else {
            return false;
        };
        let said: Result<HealthBody, _> = answer.json().await;
        said.is_ok_and(|said| said.service == SERVICE)
    }

    async fn start(&self) -> Result<(Url, Child), ProviderProcessError> {
        let mut child = Command::new(&self.launch.program)
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
            // A group of its own: Ctrl-C at the shop is not for the provider, which the shop needs to its end.
            .process_group(0)
            .spawn()
            .map_err(ProviderProcessError::Spawn)?;
        match timeout(START_MAX, first_line(&mut child)).await {
            Ok(Some(url)) => Ok((url, child)),
            Ok(None) => {
                child.kill().await.ok();
                Err(ProviderProcessError::Ended)
            }
            Err(_) => {
                child.kill().await.ok();
                Err(ProviderProcessError::Slow)
            }
        }
    }

    fn file(&self) -> PathBuf {
        self.launch.data.join(FILE_NAME)
    }

    /// Under another name first, so that nobody reads half of it.
    async fn announce(&self, url: &Url, pid: u32) -> io::Result<()> {
        let said = Announcement {
            url: url.to_string(),
            pid,
            database: fingerprint(&self.launch.database_url),
        };
        let draft = self.launch.data.join(format!("{FILE_NAME}.{pid}"));
        tokio::fs::create_dir_all(&self.launch.data).await?;
        tokio::fs::write(&draft, serde_json::to_vec(&said)?).await?;
        tokio::fs::rename(&draft, self.file()).await
    }
}

/// The URL that a provider prints once it listens.
async fn first_line(child: &mut Child) -> Option<Url> {
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    let line = lines.next_line().await.ok()??;
    Url::parse(&line).ok()
}

/// Asks it to end, and ends it if it does not.
async fn end(mut child: Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid {
        kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    }
    if timeout(STOP_MAX, child.wait()).await.is_err() {
        tracing::warn!("the payment provider did not end in time and is killed");
        child.kill().await.ok();
    }
}

/// Takes the file back, unless it tells of another provider by now.
async fn withdraw(file: &Path, pid: Option<u32>) {
    let said = tokio::fs::read(file).await.ok();
    let said: Option<Announcement> = said.and_then(|text| serde_json::from_slice(&text).ok());
    if said.is_some_and(|said| Some(said.pid) == pid) {
        tokio::fs::remove_file(file).await.ok();
    }
}

fn fingerprint(database_url: &str) -> String {
    Sha256::digest(database_url)[..FINGERPRINT_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
