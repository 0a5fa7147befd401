//! The database: connections, transactions, row locks, and the rows themselves.
//!
//! `sea_orm` is named here, in `shop`, and in `simulation::store`; rows leave those as `model` types.

pub mod connect;
pub mod dialect;
pub mod embedded;
pub mod entity;
pub mod lock_watch;
pub mod locks;
pub mod schema;
pub mod session_store;
pub mod sessions;
pub mod statements;
pub mod stops;
pub mod txn;

pub use connect::{ConnectError, Db, PoolSettings};
