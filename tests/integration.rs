//! The integration tests: one crate, on a real database, each test on a database of its own.
//!
//! `DATABASE_URL` names the server to use; unset, an embedded PostgreSQL is started under `target/test-postgres`.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod architecture;
mod audit;
mod checkout;
mod command_line;
mod crash;
mod database;
mod embedded;
mod idempotency;
mod inventory;
mod model;
mod pairs;
mod payment;
mod simulation;
mod stepper;
mod support;
mod sweep;
mod web;
