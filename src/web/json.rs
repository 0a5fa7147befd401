//! The JSON API and the probes: one file a noun.

pub mod health;
pub mod problem;
pub mod products;
pub mod purchase;
pub mod webhook;
