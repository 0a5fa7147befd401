//! The integration tests: one crate, with a separate real database for each test.
//!
//! `DATABASE_URL` names the PostgreSQL, MySQL or MariaDB server to use. If it is not set, an
//! embedded PostgreSQL is started in `target/test-postgres`. The tests of Redis start a
//! `redis-server` or
//! `valkey-server` of their own, and are skipped if none is installed.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod audit;
mod checkout;
mod command_line;
mod crash;
mod database;
mod embedded;
mod faults;
mod galera;
mod gates;
mod idempotency;
mod inventory;
mod model;
mod pairs;
mod payment;
mod retention;
mod sales;
mod simulation;
mod stepper;
mod support;
mod sweep;
mod web;
