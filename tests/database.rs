//! Connections, transactions and the schema.

mod black_hole;
mod dropped_futures;
mod schema;
mod transactions;
