//! A proxy to the database or to another server. It can drop all traffic without closing
//! connections, like an unplugged network cable, close or reset all of them, or delay what they
//! carry.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use doorbuster::db::engine::Engine;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};
use url::Url;

use super::wire::ClientStream;

/// The largest number of bytes that are forwarded at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Forwards bytes until the test drops the traffic. It closes no connection while traffic is
/// dropped.
pub struct Proxy {
    url: String,
    line: Line,
}

#[derive(Clone)]
struct Line {
    /// The engine of the database; `None` in front of another server.
    engine: Option<Engine>,
    dead: Arc<watch::Sender<bool>>,
    cut: Arc<watch::Sender<bool>>,
    /// Changes when all connections are reset.
    resets: Arc<watch::Sender<()>>,
    delay: Arc<watch::Sender<Duration>>,
    trigger: Arc<Mutex<Option<Vec<u8>>>>,
    statements: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts a proxy in front of the database at `url`.
    pub async fn before(url: &str) -> Self {
        let engine = Engine::of_url(url).expect("the URL of a database").0;
        let (line, port) = listen(Target::of(url), Some(engine)).await;
        let mut url = Url::parse(url).expect("a URL");
        url.set_host(Some("127.0.0.1")).expect("it has a host");
        url.set_port(Some(port)).expect("it has a port");
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "host" && name != "port")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        Self {
            url: url.into(),
            line,
        }
    }

    /// Starts a proxy in front of the HTTP server at `url`, which names a port.
    pub async fn before_http(url: &Url) -> Self {
        let (line, port) = listen(Target::of(url.as_str()), None).await;
        Self {
            url: format!("http://127.0.0.1:{port}"),
            line,
        }
    }

    /// Returns the server's URL through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the statements that clients ran since the last call, in the order of arrival.
    pub fn statements(&self) -> Vec<String> {
        let mut statements = self.line.statements.lock();
        std::mem::take(statements.as_mut().expect("no panic under this lock"))
    }

    /// Drops all traffic from now on, in both directions. New connections are accepted, but get no
    /// response.
    pub fn drop_traffic(&self) {
        self.line.dead.send_replace(true);
    }

    /// Drops all traffic after a client sends these bytes, which still arrive.
    pub fn drop_traffic_after(&self, bytes: &str) {
        *self.line.trigger.lock().expect("no panic under this lock") = Some(bytes.into());
    }

    /// Closes all connections, and each new one at once.
    pub fn cut(&self) {
        self.line.cut.send_replace(true);
    }

    /// Resets all connections, as a firewall that forgets them does. New ones are forwarded.
    pub fn reset(&self) {
        self.line.resets.send_replace(());
    }

    /// Delays everything that arrives, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.line.delay.send_replace(delay);
    }

    /// Forwards new connections again. Earlier connections stay dead and are never closed, unless
    /// they were cut.
    pub fn restore(&self) {
        self.line.dead.send_replace(false);
        self.line.cut.send_replace(false);
    }
}

/// Forwards what arrives at a free port. Returns the line and the port.
async fn listen(target: Target, engine: Option<Engine>) -> (Line, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let line = Line {
        engine,
        dead: Arc::new(watch::Sender::new(false)),
        cut: Arc::new(watch::Sender::new(false)),
        resets: Arc::new(watch::Sender::new(())),
        delay: Arc::new(watch::Sender::new(Duration::ZERO)),
        trigger: Arc::default(),
        statements: Arc::default(),
    };
    let of_task = line.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, target.clone(), of_task.clone()));
        }
    });
    (line, port)
}

impl Line {
    fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// Returns true if these bytes trigger the drop of all traffic.
    fn is_trigger(&self, piece: &[u8]) -> bool {
        let mut trigger = self.trigger.lock().expect("no panic under this lock");
        let found = trigger
            .as_ref()
            .is_some_and(|bytes| piece.windows(bytes.len()).any(|window| window == bytes));
        if found {
            *trigger = None;
        }
        found
    }
}

#[derive(Clone)]
enum Target {
    Tcp(String),
    Unix(String),
}

impl Target {
    fn of(url: &str) -> Self {
        let url = Url::parse(url).expect("a URL");
        let parameter = |wanted: &str| {
            url.query_pairs()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let port = parameter("port").or_else(|| url.port().map(|port| port.to_string()));
        let port = port.unwrap_or_else(|| "5432".to_owned());
        let host = parameter("host").or_else(|| url.host_str().map(ToOwned::to_owned));
        let host = host.expect("the URL names a host").replace("%2F", "/");
        if host.starts_with('/') {
            Self::Unix(format!("{host}/.s.PGSQL.{port}"))
        } else {
            Self::Tcp(format!("{host}:{port}"))
        }
    }
}

async fn serve(mut client: TcpStream, target: Target, line: Line) {
    client.set_nodelay(true).ok();
    if *line.cut.borrow() {
        return;
    }
    if line.is_dead() {
        // The connection stays open and gets no response.
        std::future::pending::<()>().await;
    }
    let mut resets = line.resets.subscribe();
    let is_reset = tokio::select! {
        biased;
        changed = resets.changed() => changed.is_ok(),
        () = forward(&mut client, target, line.clone()) => false,
    };
    if is_reset {
        // Closing it sends RST then, and no FIN.
        client.set_zero_linger().ok();
    }
}

/// Forwards a connection until one side closes it. Closes it if the server does not accept one.
async fn forward(client: &mut TcpStream, target: Target, line: Line) {
    let (from_client, to_client) = client.split();
    match target {
        Target::Tcp(address) => {
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            server.set_nodelay(true).ok();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                pass(from_client, to_server, line.clone(), true),
                pass(from_server, to_client, line, false)
            );
        }
        Target::Unix(path) => {
            let Ok(server) = UnixStream::connect(path).await else {
                return;
            };
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                pass(from_client, to_server, line.clone(), true),
                pass(from_server, to_client, line, false)
            );
        }
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    line: Line,
    is_client: bool,
) {
    let (mut dead, mut cut) = (line.dead.subscribe(), line.cut.subscribe());
    let mut piece = vec![0; CHUNK_BYTES];
    let mut stream = line.engine.map(ClientStream::to);
    loop {
        let read = tokio::select! {
            biased;
            _ = cut.wait_for(|cut| *cut) => return,
            _ = dead.wait_for(|dead| *dead) => break,
            read = from.read(&mut piece) => read,
        };
        let Ok(length @ 1..) = read else {
            to.shutdown().await.ok();
            return;
        };
        if is_client && let Some(stream) = &mut stream {
            let statements = stream.read(&piece[..length]);
            let mut seen = line.statements.lock().expect("no panic under this lock");
            seen.extend(statements);
        }
        if is_client && line.is_trigger(&piece[..length]) {
            line.dead.send_replace(true);
        }
        let delay = *line.delay.borrow();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
    // The traffic of this connection is lost, and neither side is notified.
    std::future::pending::<()>().await;
}
