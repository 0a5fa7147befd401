//! A proxy to the database that delays or observes the traffic.
//!
//! Each direction of each connection has its own thread, because tokio's timers have a resolution
//! of one millisecond and each direction needs a delay of half a millisecond. PostgreSQL's clients
//! send and then wait, so a thread may sleep before it forwards a message.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use url::Url;

use crate::Failure;

/// The size of the forwarding buffer.
const CHUNK_BYTES: usize = 64 * 1024;

/// Receives every chunk that a client sends, with the number of its connection.
pub type Observer = Arc<dyn Fn(usize, &[u8]) + Send + Sync>;

/// A proxy to the database at a URL. It runs until the process exits.
pub struct Proxy {
    url: String,
}

impl Proxy {
    /// Starts a proxy that adds `rtt` to every round trip.
    pub fn delaying(url: &str, rtt: Duration) -> Result<Self, Failure> {
        Self::open(url, rtt / 2, None)
    }

    /// Starts a proxy that passes every client chunk to `observer`.
    pub fn observed(url: &str, observer: Observer) -> Result<Self, Failure> {
        Self::open(url, Duration::ZERO, Some(observer))
    }

    /// The database's URL through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn open(url: &str, delay: Duration, observer: Option<Observer>) -> Result<Self, Failure> {
        let mut url = Url::parse(url)?;
        let server = ServerAddress::parse(&url)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                for (number, client) in listener.incoming().flatten().enumerate() {
                    if let Err(error) = connect(client, &server, delay, observer.clone(), number) {
                        eprintln!("bench: a connection through the proxy failed: {error}");
                    }
                }
            })?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(port))
            .map_err(|()| "the database's URL cannot have a port")?;
        // Unencrypted, so that the observer can read it; the server is on this machine.
        url.set_query(Some("sslmode=disable"));
        Ok(Self { url: url.into() })
    }
}

/// Where the server listens.
#[derive(Clone)]
enum ServerAddress {
    Tcp(String),
    Unix(String),
}

impl ServerAddress {
    fn parse(url: &Url) -> Result<Self, Failure> {
        let parameter = |wanted: &str| {
            url.query_pairs()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let port = parameter("port").or_else(|| url.port().map(|port| port.to_string()));
        let port = port.unwrap_or_else(|| "5432".to_owned());
        let host = parameter("host").or_else(|| url.host_str().map(ToOwned::to_owned));
        let host = host.ok_or("the database's URL names no host")?;
        Ok(if host.starts_with('/') {
            Self::Unix(format!("{host}/.s.PGSQL.{port}"))
        } else {
            Self::Tcp(format!("{host}:{port}"))
        })
    }
}

/// The stream to one side of a connection.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn open(address: &ServerAddress) -> io::Result<Self> {
        Ok(match address {
            ServerAddress::Tcp(host) => {
                let stream = TcpStream::connect(host)?;
                stream.set_nodelay(true)?;
                Self::Tcp(stream)
            }
            ServerAddress::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        })
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(chunk),
            Self::Unix(stream) => stream.read(chunk),
        }
    }

    fn write_all(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(chunk),
            Self::Unix(stream) => stream.write_all(chunk),
        }
    }

    /// Shuts both directions down, so that a thread that reads from this stream stops.
    fn shut_down(&self) {
        // Fails if the other thread has already shut it down.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

fn connect(
    client: TcpStream,
    server: &ServerAddress,
    delay: Duration,
    observer: Option<Observer>,
    number: usize,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (client, server) = (Stream::Tcp(client), Stream::open(server)?);
    let outbound = (client.try_clone()?, server.try_clone()?);
    let observe = move |chunk: &[u8]| {
        if let Some(observer) = &observer {
            observer(number, chunk);
        }
    };
    forward("proxy-outbound", outbound, delay, observe)?;
    forward("proxy-inbound", (server, client), delay, |_| {})
}

/// Forwards each chunk `delay` after it arrives.
fn forward(
    name: &str,
    (mut from, mut to): (Stream, Stream),
    delay: Duration,
    observe: impl Fn(&[u8]) + Send + 'static,
) -> io::Result<()> {
    let forward_all = move || {
        sleep_precisely();
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            let due = Instant::now() + delay;
            observe(&chunk[..length]);
            if let Some(rest) = due.checked_duration_since(Instant::now()) {
                thread::sleep(rest);
            }
            if to.write_all(&chunk[..length]).is_err() {
                break;
            }
        }
        from.shut_down();
        to.shut_down();
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(forward_all)
        .map(drop)
}

/// Sets the timer slack to its minimum. By default, the kernel may end a sleep up to 50 µs late to
/// group wake-ups, which is a tenth of the delay.
fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        eprintln!("bench: cannot set the timer slack, so delays are up to 50 µs longer: {error}");
    }
}
