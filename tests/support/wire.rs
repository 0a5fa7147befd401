//! Parses what a client sends to its database, and extracts the statements that it ran.

use std::collections::HashMap;

use doorbuster::db::engine::Engine;

/// The stream of one client.
pub enum ClientStream {
    Postgres(PostgresStream),
    MySql(MySqlStream),
}

impl ClientStream {
    pub fn to(engine: Engine) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres(PostgresStream::default()),
            Engine::MySql => Self::MySql(MySqlStream::default()),
        }
    }

    /// Reads the next bytes, and returns the statements that they complete.
    pub fn read(&mut self, piece: &[u8]) -> Vec<String> {
        match self {
            Self::Postgres(stream) => stream.read(piece),
            Self::MySql(stream) => stream.read(piece),
        }
    }
}

/// PostgreSQL's protocol, version 3.0 ("Message Formats").
#[derive(Default)]
pub struct PostgresStream {
    unread: Vec<u8>,
    /// The messages before the startup have no type byte.
    started: bool,
    /// The name and the text of each prepared statement.
    prepared: Vec<(Vec<u8>, String)>,
}

/// The codes of the TLS and GSS encryption requests, which precede the startup message and have the
/// same format.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

impl PostgresStream {
    fn read(&mut self, piece: &[u8]) -> Vec<String> {
        self.unread.extend_from_slice(piece);
        let mut statements = Vec::new();
        while let Some((tag, body)) = self.next_message() {
            match tag {
                b'Q' => statements.push(text(&body)),
                b'P' => {
                    let (name, rest) = cut(&body);
                    self.prepared.push((name.to_vec(), text(rest)));
                }
                b'B' => {
                    let (_portal, rest) = cut(&body);
                    let (name, _) = cut(rest);
                    let prepared = self.prepared.iter().rfind(|(known, _)| known == name);
                    statements.extend(prepared.map(|(_, sql)| sql.clone()));
                }
                _ => {}
            }
        }
        statements
    }

    fn next_message(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = usize::from(self.started);
        let length_at = self.unread.get(head..head + 4)?;
        let length = u32::from_be_bytes(length_at.try_into().ok()?) as usize;
        if self.unread.len() < head + length {
            return None;
        }
        let message: Vec<u8> = self.unread.drain(..head + length).collect();
        let body = message[head + 4..].to_vec();
        if self.started {
            return Some((message[0], body));
        }
        let code = body.first_chunk().map(|code| u32::from_be_bytes(*code));
        self.started = !code.is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code));
        Some((0, body))
    }
}

/// MySQL's client/server protocol ("Command Phase"). A message with the sequence number 0 is a
/// command; the messages that log in have others.
#[derive(Default)]
pub struct MySqlStream {
    unread: Vec<u8>,
    /// The text of each prepared statement, by the number that the server has given it.
    prepared: HashMap<u32, String>,
    /// The statement that was prepared last, until its first execution shows its number.
    unnumbered: Option<String>,
}

const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;

impl MySqlStream {
    fn read(&mut self, piece: &[u8]) -> Vec<String> {
        self.unread.extend_from_slice(piece);
        let mut statements = Vec::new();
        while let Some((number, body)) = self.next_message() {
            let Some((command, rest)) = body.split_first().filter(|_| number == 0) else {
                continue;
            };
            match *command {
                QUERY => statements.push(String::from_utf8_lossy(rest).into_owned()),
                PREPARE => {
                    self.unnumbered = Some(String::from_utf8_lossy(rest).into_owned());
                }
                EXECUTE => {
                    let number = rest.first_chunk().map(|number| u32::from_le_bytes(*number));
                    statements.extend(number.and_then(|number| self.executed(number)));
                }
                _ => {}
            }
        }
        statements
    }

    /// Returns the text of the statement with this number. The driver executes a statement right
    /// after it has prepared it.
    fn executed(&mut self, number: u32) -> Option<String> {
        if let Some(text) = self.unnumbered.take() {
            self.prepared.insert(number, text);
        }
        self.prepared.get(&number).cloned()
    }

    /// Returns the sequence number and the contents of the next message.
    fn next_message(&mut self) -> Option<(u8, Vec<u8>)> {
        let [one, two, three, number] = *self.unread.first_chunk()?;
        let length = u32::from_le_bytes([one, two, three, 0]) as usize;
        if self.unread.len() < 4 + length {
            return None;
        }
        let message: Vec<u8> = self.unread.drain(..4 + length).collect();
        Some((number, message[4..].to_vec()))
    }
}

/// Splits the bytes at the first zero byte.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let end = end.unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(cut(bytes).0).into_owned()
}
