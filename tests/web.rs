//! The server over HTTP: who may pass, what is refused, and what a browser is told.

mod bad_input;
mod database_away;
mod door;
mod headers;
mod processes;
mod support;
