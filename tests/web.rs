//! The server over HTTP: access control, rejected input, headers, pages and event streams.

mod access;
mod bad_input;
mod checkout;
mod connections;
mod database_unavailable;
mod headers;
mod limits;
mod navigation;
mod orders;
mod outages;
mod present;
mod processes;
mod raw_requests;
mod run_page;
mod server_process;
mod shared_catalog;
mod simulations;
mod stepper;
mod stored_runs;
mod strategies;
pub mod support;
mod test_server;
mod webhook;
mod webhook_order;
mod wrong_amounts;
