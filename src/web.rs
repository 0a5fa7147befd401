//! The web server: routes, pages, middleware and event streams.

pub mod app;
pub mod assets;
pub mod client_address;
pub mod exports;
pub mod form_keys;
pub mod forms;
pub mod json;
pub mod live;
pub mod maintenance;
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
