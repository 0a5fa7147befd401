//! The served release program, and keep-alive clients that send requests to it in a closed loop.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use doorbuster::{model::StrategyKey, simulation::run_secret::BUYER_HEADER};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
    task::JoinSet,
};

use crate::{Failure, lane::Lane, server};

/// Number of connections, each with one request at a time.
pub const CLIENTS: u32 = 64;
/// Longer than the server's own limit for open requests.
const STOP_MAX: Duration = Duration::from_secs(15);
/// The benchmark makes no payments, and a provider process would use part of the two cores.
const NO_PROVIDER: &str = "http://127.0.0.1:9";

/// A running server.
pub struct Program {
    child: Child,
    /// Host and port.
    address: String,
}

impl Program {
    /// Starts `doorbuster serve` with the default settings, on the database at `url` and a free
    /// port.
    pub async fn start(url: &str) -> Result<Self, Failure> {
        let mut child = doorbuster("serve", url)?
            .env("DOORBUSTER_ADDR", "127.0.0.1:0")
            .env("PAYMENT_PROVIDER_URL", NO_PROVIDER)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
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

/// Returns the program's command, without the settings of this process's environment.
pub fn doorbuster(command: &str, url: &str) -> Result<Command, Failure> {
    let folder = server::folder("bench-program");
    std::fs::create_dir_all(&folder)?;
    let mut program = Command::new(env!("CARGO_BIN_EXE_doorbuster"));
    for name in [
        "PUBLIC_URL",
        "ADMIN_PASSWORD",
        "SHOP_STRATEGY",
        "PURCHASE_RATE_PER_S",
        "EXPRESS_PURCHASE",
    ] {
        program.env_remove(name);
    }
    program
        .arg(command)
        .current_dir(&folder)
        .env("DATABASE_URL", url)
        .env("DOORBUSTER_DATA", &folder)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(program)
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

/// The request that clients send.
#[derive(Clone, Copy, Debug)]
pub enum RequestKind {
    /// `POST /api/purchase` of one unit, with its own idempotency key.
    Purchase(StrategyKey, Lane),
    /// `GET /healthz`: the cost of HTTP alone.
    Health,
}

/// The result of the clients' requests.
#[derive(Debug)]
pub struct ResponseRate {
    pub per_second: f64,
    /// All successful responses, including those of the warm-up.
    pub responses: u64,
}

#[derive(Default)]
struct Tally {
    stopped: AtomicBool,
    responses: AtomicU64,
}

/// Sends requests from [`CLIENTS`] connections for `time`, after `warm_up`.
pub async fn send_requests(
    program: &Program,
    kind: RequestKind,
    warm_up: Duration,
    time: Duration,
) -> Result<ResponseRate, Failure> {
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let sender = connect(&program.address).await?;
        let (address, tally) = (program.address.clone(), Arc::clone(&tally));
        clients
            .spawn(async move { send_until_stopped(sender, &address, kind, client, &tally).await });
    }
    let responses = || tally.responses.load(Ordering::Relaxed);
    tokio::time::sleep(warm_up).await;
    let (before, start) = (responses(), Instant::now());
    tokio::time::sleep(time).await;
    let (after, elapsed) = (responses(), start.elapsed());
    tally.stopped.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let counted = (after - before) as f64;
    Ok(ResponseRate {
        per_second: counted / elapsed.as_secs_f64(),
        responses: responses(),
    })
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send_until_stopped(
    mut sender: SendRequest<Full<Bytes>>,
    address: &str,
    kind: RequestKind,
    client: u32,
    tally: &Tally,
) -> Result<(), Failure> {
    for turn in 0_u64.. {
        if tally.stopped.load(Ordering::Relaxed) {
            break;
        }
        sender.ready().await?;
        let response = sender
            .send_request(request(address, kind, client, turn)?)
            .await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        tally.responses.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn request(
    address: &str,
    kind: RequestKind,
    client: u32,
    turn: u64,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let request = Request::builder().header(header::HOST, address);
    match kind {
        RequestKind::Purchase(strategy, lane) => request
            .method(Method::POST)
            .uri(format!("/api/purchase?strategy={strategy}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(BUYER_HEADER, lane.secret.token())
            .header("Idempotency-Key", format!("bench-client-{client}:{turn}"))
            .body(Full::from(format!(
                r#"{{"productId": {}, "quantity": 1}}"#,
                lane.product_id
            ))),
        RequestKind::Health => request.uri("/healthz").body(Full::default()),
    }
}
