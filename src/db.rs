//! The database: connections, transactions, row locks and entities.
//!
//! Only this module, `shop` and `simulation::store` use `sea_orm`; other modules get `model` types.

pub mod clock;
pub mod cluster;
pub mod connect;
pub mod dialect;
pub mod embedded;
pub mod engine;
pub mod entity;
pub mod lock_watch;
pub mod locks;
pub mod notices;
pub mod retention;
pub mod row_count;
pub mod schema;
pub mod server_load;
pub mod session_lock;
pub mod session_store;
pub mod sessions;
pub mod statement_hook;
pub mod statements;
pub mod txn;

pub use connect::{ConnectError, Db, PoolSettings};
