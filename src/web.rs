//! The web server: routes, pages, middleware and event streams.

mod addresses;
pub mod app;
pub mod assets;
pub mod audience;
mod audits;
pub mod client_address;
pub mod compression;
pub mod connections;
mod document;
pub mod exports;
pub mod form_keys;
pub mod forms;
mod html_text;
pub mod json;
pub mod live;
pub mod maintenance;
mod moved_addresses;
mod notice_cookie;
pub mod pages;
mod qr_code;
pub mod rate_limit;
mod request_body;
mod request_path;
mod runs;
pub mod search_engines;
pub mod security;
pub mod server;
pub mod session;
pub mod shared_catalog;
mod shared_reads;
mod sitemap;
pub mod state;
mod wrong_guesses;

pub use connections::ConnectionLimits;
pub use server::{ServeError, serve};
pub use state::{AppState, ServerParts};
