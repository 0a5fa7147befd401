//! The server over HTTP: access control, rejected input, headers, pages and event streams.

mod access;
mod bad_input;
mod checkout;
mod database_unavailable;
mod express_purchase;
mod headers;
mod keys;
mod navigation;
mod orders;
mod present;
mod private_runs;
mod processes;
mod signed_out;
mod simulations;
mod stepper;
mod stored_runs;
mod strategies;
pub mod support;
mod webhook;
mod webhook_order;
