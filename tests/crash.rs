//! Crash tests: the server is killed before and after every commit that changes stock or money and
//! every call to the payment provider. After a restart, no order, unit or cent may be lost.

pub mod own_database;
mod points;
pub mod program;
pub mod proof;
mod restarted_database;
pub mod story;
pub mod strategies;
pub mod visitor;
