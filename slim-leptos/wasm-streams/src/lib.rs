//! What `server_fn` uses of `wasm-streams`, without streams.
//!
//! The crate exports three classes to JavaScript. An export is never removed as unused, so each
//! page loaded 10 kB of WebAssembly for server functions that send or receive a stream in the
//! browser. This shop has none: its forms post, and its streams are `EventSource`s.

use futures_util::stream::{Empty, Stream, empty};
use wasm_bindgen::JsValue;

/// A stream that is always empty.
#[derive(Debug)]
pub struct ReadableStream(web_sys::ReadableStream);

impl ReadableStream {
    /// Keeps the stream, whose items are not read.
    pub const fn from_raw(raw: web_sys::ReadableStream) -> Self {
        Self(raw)
    }

    /// Drops the stream, and creates an empty one.
    ///
    /// # Panics
    /// If the browser has no streams.
    pub fn from_stream<S>(_: S) -> Self
    where
        S: Stream<Item = Result<JsValue, JsValue>> + 'static,
    {
        Self(web_sys::ReadableStream::new().expect("the browser has streams"))
    }

    /// Returns the stream of the browser.
    pub fn into_raw(self) -> web_sys::ReadableStream {
        self.0
    }

    /// Returns an empty stream.
    pub fn into_stream(self) -> Empty<Result<JsValue, JsValue>> {
        empty()
    }
}
