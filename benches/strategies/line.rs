//! A line to the database that takes its time, or that somebody listens on.
//!
//! Each direction of each connection is an operating system's thread: tokio's timers tick in whole milliseconds, and half a one is what each direction
//! needs. PostgreSQL's clients send and then wait, so a thread may sleep with a message in its hands.

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

/// The longest piece that is passed on at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Hears every piece that a client sends, with the number of its connection.
pub type Tap = Arc<dyn Fn(usize, &[u8]) + Send + Sync>;

/// A line to the database at a URL. It stands for as long as the process.
pub struct Line {
    url: String,
}

impl Line {
    /// One that adds `rtt` to every round trip.
    pub fn slow(url: &str, rtt: Duration) -> Result<Self, Failure> {
        Self::open(url, rtt / 2, None)
    }

    /// One on which `tap` listens.
    pub fn tapped(url: &str, tap: Tap) -> Result<Self, Failure> {
        Self::open(url, Duration::ZERO, Some(tap))
    }

    /// The database's URL through this line.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn open(url: &str, delay: Duration, tap: Option<Tap>) -> Result<Self, Failure> {
        let mut url = Url::parse(url)?;
        let end = End::of(&url)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        thread::Builder::new()
            .name("line".to_owned())
            .spawn(move || {
                for (number, client) in listener.incoming().flatten().enumerate() {
                    if let Err(error) = connect(client, &end, delay, tap.clone(), number) {
                        eprintln!("bench: a connection through the line: {error}");
                    }
                }
            })?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(port))
            .map_err(|()| "a URL without room for a port")?;
        // What is said in the clear can be listened to; and the server is on this machine.
        url.set_query(Some("sslmode=disable"));
        Ok(Self { url: url.into() })
    }
}

/// Where the server listens.
#[derive(Clone)]
enum End {
    Tcp(String),
    Unix(String),
}

impl End {
    fn of(url: &Url) -> Result<Self, Failure> {
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

/// One side of a connection.
enum Side {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Side {
    fn open(end: &End) -> io::Result<Self> {
        Ok(match end {
            End::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Self::Tcp(stream)
            }
            End::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        })
    }

    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(piece),
            Self::Unix(stream) => stream.read(piece),
        }
    }

    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(piece),
            Self::Unix(stream) => stream.write_all(piece),
        }
    }

    /// Both ways: whoever waits at this side is let go.
    fn hang_up(&self) {
        // Fails when the other thread was first.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

fn connect(
    client: TcpStream,
    end: &End,
    delay: Duration,
    tap: Option<Tap>,
    number: usize,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (client, server) = (Side::Tcp(client), Side::open(end)?);
    let there = (client.again()?, server.again()?);
    let listener = move |piece: &[u8]| {
        if let Some(tap) = &tap {
            tap(number, piece);
        }
    };
    carry("line-there", there, delay, listener)?;
    carry("line-back", (server, client), delay, |_| {})
}

/// Passes on what comes, each piece `delay` after it came.
fn carry(
    name: &str,
    (mut from, mut to): (Side, Side),
    delay: Duration,
    heard: impl Fn(&[u8]) + Send + 'static,
) -> io::Result<()> {
    let life = move || {
        sleep_precisely();
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            let due = Instant::now() + delay;
            heard(&piece[..length]);
            if let Some(rest) = due.checked_duration_since(Instant::now()) {
                thread::sleep(rest);
            }
            if to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        from.hang_up();
        to.hang_up();
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(life)
        .map(drop)
}

/// The kernel may end a sleep up to 50 µs late, to wake up for several at once: a tenth of ours. Asked not to, it does not.
fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        eprintln!("bench: delays are up to 50 µs longer: {error}");
    }
}
