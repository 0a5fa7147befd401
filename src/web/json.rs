//! The JSON API and the health checks, one file per resource.

pub mod health;
pub mod path_text;
pub mod problem;
pub mod products;
pub mod purchase;
pub mod webhook;
