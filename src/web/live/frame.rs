//! An encoded event of a stream. Its clones share their bytes: an event for many clients is encoded
//! once.

use axum::body::Bytes;
use serde::Serialize;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// A comment, which clients ignore.
    pub const KEEP_ALIVE: Self = Self(Bytes::from_static(b":\n\n"));

    /// Encodes an event with a text, one `data` field per line.
    pub fn text(event: &'static str, text: &str) -> Self {
        let mut encoded = format!("event: {event}\n");
        for line in text.lines() {
            encoded.push_str("data: ");
            encoded.push_str(line);
            encoded.push('\n');
        }
        encoded.push('\n');
        Self(encoded.into())
    }

    /// Encodes an event with one line of text, and tells the browser to wait `retry_ms`
    /// milliseconds before it connects again, should the stream end.
    pub fn line_with_retry(event: &'static str, line: &str, retry_ms: u32) -> Self {
        // The name comes first, as in every event.
        Self(format!("event: {event}\nretry: {retry_ms}\ndata: {line}\n\n").into())
    }

    /// Encodes an event with a value as JSON.
    pub fn json(event: &'static str, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            // JSON without indentation is one line.
            Ok(json) => Self::text(event, &json),
            Err(error) => {
                tracing::error!(%error, event, "could not serialize an event");
                Self::KEEP_ALIVE
            }
        }
    }

    /// The bytes of the event.
    pub fn bytes(self) -> Bytes {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_data_field_and_an_empty_line_ends_the_event() {
        let order = Frame::text("order", "open\nok");
        assert_eq!(&*order.bytes(), b"event: order\ndata: open\ndata: ok\n\n");
        let clock = Frame::line_with_retry("clock", "12", 3_000);
        assert_eq!(&*clock.bytes(), b"event: clock\nretry: 3000\ndata: 12\n\n");
        let moments = Frame::json("moments", &["a\nb"]);
        assert_eq!(&*moments.bytes(), b"event: moments\ndata: [\"a\\nb\"]\n\n");
    }
}
