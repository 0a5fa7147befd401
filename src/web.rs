//! The web server: routes, pages, middleware and event streams.

pub mod admin_access;
pub mod app;
pub mod assets;
pub mod audience;
mod audits;
pub mod client_address;
pub mod compression;
pub mod connections;
mod cookies;
pub mod exports;
pub mod form_keys;
pub mod forms;
pub mod json;
pub mod live;
pub mod maintenance;
pub mod pages;
mod qr_code;
pub mod rate_limit;
mod request_body;
mod request_path;
mod resumption;
mod runs;
pub mod security;
mod sent_form;
pub mod server;
pub mod session;
pub mod shared_catalog;
mod shared_reads;
mod signed_tokens;
pub mod state;
pub mod visitor;
mod wrong_guesses;

pub use connections::ConnectionLimits;
pub use server::{ServeError, serve};
pub use state::{AppState, ServerParts};
