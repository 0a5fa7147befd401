//! `./makew faults`: one fault after the other is caused while every safe strategy sells, and
//! nothing may be lost.
//!
//! Each fault is a value (see [`fault::Fault`]) in the file of its family. [`run`] causes and cures
//! it under buyers and shoppers, and checks what must hold after each; [`report`] writes the table
//! of `docs/RELIABILITY.md`.

mod answers;
mod clients;
mod fault;
mod held;
mod market;
mod metrics;
mod report;
mod run;
mod scene;
mod watch;

// The families of faults.
mod clock;
mod database;
mod disk;
mod locks;
mod network;
mod payment;
mod redis;
mod server;
