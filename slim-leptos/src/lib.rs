//! Leptos under its own name, except for how the browser reads the properties of islands.
//!
//! The macro of an island writes `::leptos::serde_json`, for the server, which sends the
//! properties, and for the browser, which reads them. It also sends them again in the browser,
//! where the result is not used. `serde_json` composes a message for each error, and so brings the
//! formatting of every type, floating-point numbers included: of 274 kB of WebAssembly for a clock
//! and a counter, 60 kB were for messages that no person ever saw, and for that second sending.
//!
//! In the browser, `serde_json` is therefore `props`. On the server it is the real one.

pub use real::*;

#[cfg(any(target_family = "wasm", test))]
pub mod props;

/// What the macro of an island calls `serde_json`.
#[cfg(target_family = "wasm")]
pub mod serde_json {
    pub use crate::props::{from_str, to_string};
}
