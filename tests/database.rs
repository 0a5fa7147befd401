//! Connections, transactions and the schema.

mod black_hole;
mod clock;
mod dropped_futures;
mod failed_procedures;
mod indexes;
mod longer_names;
mod refolding;
mod refund_events;
mod retry_budget;
mod schema;
mod session_locks;
mod transactions;
