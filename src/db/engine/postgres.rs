//! PostgreSQL.

pub mod errors;
pub mod pool;
