//! The server: routes, pages, layers and streams.

pub mod app;
pub mod assets;
pub mod client_address;
pub mod exports;
pub mod forms;
pub mod housekeeping;
pub mod json;
pub mod live;
pub mod pages;
mod qr_code;
pub mod rate_limit;
mod runs;
pub mod security;
pub mod server;
pub mod session;
pub mod state;

pub use server::{ServeError, serve};
pub use state::{AppState, ServerParts};
