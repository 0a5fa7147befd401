//! HTTP by hand over a TCP connection, for requests that no client library sends.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{PATIENCE, within};

/// A connection on which a test writes and reads bytes.
pub struct RawConnection {
    stream: TcpStream,
    /// What has been received and not read yet.
    received: Vec<u8>,
}

/// A response with a body of known length, or only its headers.
#[derive(Debug)]
pub struct RawResponse {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl RawConnection {
    /// Connects from 127.0.0.1.
    pub async fn to(server: SocketAddr) -> Self {
        Self::from_to(Ipv4Addr::LOCALHOST.into(), server).await
    }

    /// Connects from one of this machine's addresses.
    pub async fn from_to(local: IpAddr, server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Small, so that a client that reads nothing soon blocks the server.
        socket.set_recv_buffer_size(4_096).expect("it can be set");
        let local = SocketAddr::new(local, 0);
        socket.bind(local).expect("this machine's address");
        let stream = within(PATIENCE, "a connection", socket.connect(server)).await;
        Self {
            stream: stream.expect("the server accepts connections"),
            received: Vec::new(),
        }
    }

    /// Sends bytes. It ignores that the server has closed the connection: its response follows.
    pub async fn send(&mut self, text: &str) {
        let sent = self.stream.write_all(text.as_bytes());
        within(PATIENCE, "the server reads", sent).await.ok();
    }

    /// Requests a path, and reads the response.
    pub async fn get(&mut self, path: &str) -> RawResponse {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n"))
            .await;
        self.response().await
    }

    /// Reads a response: its headers, and as much of a body as they announce.
    pub async fn response(&mut self) -> RawResponse {
        let head_end = loop {
            let end = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            assert!(self.receive().await, "closed in: {}", self.text());
        };
        let head = self.take(head_end);
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        while self.received.len() < length {
            assert!(self.receive().await, "closed in: {}", self.text());
        }
        RawResponse {
            status: status.unwrap_or_else(|| panic!("no status: {head}")),
            body: self.take(length),
            head,
        }
    }

    /// Reads the headers of a response, and ignores its body.
    pub async fn head(&mut self) -> String {
        while !self.text().contains("\r\n\r\n") && self.receive().await {}
        self.text()
    }

    /// Waits until the server has closed the connection. Returns what it sent before.
    pub async fn closed(&mut self) -> String {
        while self.receive().await {}
        self.text()
    }

    /// Returns true if the server has closed the connection without a response.
    pub fn is_closed(&self) -> bool {
        match self.stream.try_read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Writes single bytes, and reads nothing, until the server has closed the connection.
    pub async fn closed_without_reading(&mut self) {
        within(PATIENCE, "the server disconnects", async {
            loop {
                match self.stream.try_write(b" ") {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                    _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                }
            }
        })
        .await;
    }

    /// Returns false if the server has closed the connection.
    async fn receive(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.received);
        let read = within(PATIENCE, "bytes, or the end of the connection", read).await;
        read.is_ok_and(|count| count > 0)
    }

    fn take(&mut self, count: usize) -> String {
        let rest = self.received.split_off(count);
        let taken = std::mem::replace(&mut self.received, rest);
        String::from_utf8_lossy(&taken).into_owned()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}
