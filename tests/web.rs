//! The server over HTTP: who may pass, what is refused, and what a browser is told.

mod bad_input;
mod checkout;
mod database_away;
mod door;
mod headers;
mod keep;
mod orders;
mod present;
mod processes;
mod simulations;
mod stepper;
mod strategies;
pub mod support;
mod webhook;
mod webhook_order;
