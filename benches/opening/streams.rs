//! The streams of the open pages, and what the server sends on them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::Failure;

/// The products of every page: the one that is bought, and the one whose sale starts alone.
const PATH: &str = "/live/stock?products=10,19";
/// Streams that are opened at the same time.
const OPENING_MAX: usize = 64;

/// What happened on all streams so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub stock: u64,
    pub sale: u64,
    pub clock: u64,
    /// Streams that ended: a browser would open them again.
    pub broken: u64,
}

impl Counts {
    /// Returns what happened since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            stock: self.stock - before.stock,
            sale: self.sale - before.sale,
            clock: self.clock - before.clock,
            broken: self.broken - before.broken,
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    stock: AtomicU64,
    sale: AtomicU64,
    clock: AtomicU64,
    broken: AtomicU64,
}

impl Tally {
    /// Counts a line if it is the name of an event.
    fn count(&self, line: &[u8]) {
        let counter = match line {
            b"event: stock" => &self.stock,
            b"event: sale" => &self.sale,
            b"event: clock" => &self.clock,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Open streams; they are closed when this is dropped.
pub struct Streams {
    tasks: JoinSet<()>,
    tally: Arc<Tally>,
}

impl Streams {
    /// Opens `count` streams of the server at `address`.
    pub async fn open(address: &str, count: u32) -> Result<Self, Failure> {
        let tally = Arc::new(Tally::default());
        let (mut tasks, mut opening) = (JoinSet::new(), JoinSet::new());
        for _ in 0..count {
            if opening.len() >= OPENING_MAX {
                keep_one(&mut opening, &mut tasks, &tally).await?;
            }
            opening.spawn(open_one(address.to_owned()));
        }
        while !opening.is_empty() {
            keep_one(&mut opening, &mut tasks, &tally).await?;
        }
        Ok(Self { tasks, tally })
    }

    /// Returns what happened on all streams so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            stock: read(&self.tally.stock),
            sale: read(&self.tally.sale),
            clock: read(&self.tally.clock),
            broken: read(&self.tally.broken),
        }
    }

    /// Closes all streams.
    pub fn close(mut self) {
        self.tasks.abort_all();
    }
}

/// Waits for a stream that is being opened, and reads it from then on.
async fn keep_one(
    opening: &mut JoinSet<std::io::Result<TcpStream>>,
    tasks: &mut JoinSet<()>,
    tally: &Arc<Tally>,
) -> Result<(), Failure> {
    if let Some(opened) = opening.join_next().await {
        tasks.spawn(read(opened??, Arc::clone(tally)));
    }
    Ok(())
}

/// Sends the request and waits for the first bytes of the response.
async fn open_one(address: String) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(&address).await?;
    let request =
        format!("GET {PATH} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if &start == b"HTTP/1.1 200" {
        Ok(stream)
    } else {
        let answer = String::from_utf8_lossy(&start).into_owned();
        Err(std::io::Error::other(format!(
            "a stream was refused: {answer}"
        )))
    }
}

/// Counts the events of a stream until it ends. The lengths of chunks are lines of their own.
async fn read(mut stream: TcpStream, tally: Arc<Tally>) {
    let mut buffer = [0; 1_024];
    let mut line = Vec::new();
    loop {
        let length = match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => length,
            _ => break,
        };
        for byte in &buffer[..length] {
            match byte {
                b'\n' => {
                    tally.count(&line);
                    line.clear();
                }
                b'\r' => {}
                byte => line.push(*byte),
            }
        }
    }
    tally.broken.fetch_add(1, Ordering::Relaxed);
}
