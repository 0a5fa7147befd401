//! Parses the messages that a client sends to PostgreSQL (protocol version 3.0, "Message Formats").

/// Reassembles the stream of one client, and extracts the statements that it ran.
#[derive(Default)]
pub struct ClientStream {
    unread: Vec<u8>,
    /// The messages before the startup have no type byte.
    started: bool,
    /// The name and the text of each prepared statement.
    prepared: Vec<(Vec<u8>, String)>,
}

/// The codes of the TLS and GSS encryption requests, which precede the startup message and have the
/// same format.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

impl ClientStream {
    /// Reads the next bytes, and returns the statements that they complete.
    pub fn read(&mut self, piece: &[u8]) -> Vec<String> {
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

/// Splits the bytes at the first zero byte.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let end = end.unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(cut(bytes).0).into_owned()
}
