//! Doorbuster's schema, one file per migration: here for PostgreSQL, and in [`mysql`] for MySQL and
//! MariaDB, with the same tables, columns and names. A change of the schema is a migration in both.
//!
//! The migrators take no lock: their callers hold one, because several servers may start at the
//! same time.

pub use sea_orm_migration;
pub use sea_orm_migration::prelude::*;

mod kept_rows;
mod m0001_catalogue;
mod m0002_stock_movement;
mod m0003_cart;
mod m0004_customer_order;
mod m0005_idempotency_key;
mod m0006_session;
mod m0007_simulation;
mod m0008_order_states;
mod m0009_hold;
mod m0010_payment;
mod m0011_discount;
mod m0012_operation;
mod m0013_stock_layout;
mod m0014_early_release;
mod m0015_run_control;
mod m0016_lock_picture;
mod m0017_stepped_run;
mod m0018_continuous_audit;
mod m0019_foreign_key_indexes;
mod m0020_private_runs;
mod m0021_wrong_amounts_and_limits;
mod m0022_named_runs;
mod m0023_sales;
mod m0024_kept_units;
mod m0025_longer_names;
mod m0026_holds_of_sales;
mod m0027_product_search;
mod m0028_session_ids;
mod m0030_switched_codes;
mod m0031_fencing_tokens;
mod m0032_queue_outcomes;
mod m0033_outbox;
mod m0034_wrong_passwords;
mod m0035_levels_of_all_counters;
mod m0036_event_states;
mod m0038_events_of_refunds;
mod m0039_wrong_guesses;
pub mod mysql;

/// Runs all migrations for PostgreSQL, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_catalogue::Migration),
            Box::new(m0002_stock_movement::Migration),
            Box::new(m0003_cart::Migration),
            Box::new(m0004_customer_order::Migration),
            Box::new(m0005_idempotency_key::Migration),
            Box::new(m0006_session::Migration),
            Box::new(m0007_simulation::Migration),
            Box::new(m0008_order_states::Migration),
            Box::new(m0009_hold::Migration),
            Box::new(m0010_payment::Migration),
            Box::new(m0011_discount::Migration),
            Box::new(m0012_operation::Migration),
            Box::new(m0013_stock_layout::Migration),
            Box::new(m0014_early_release::Migration),
            Box::new(m0015_run_control::Migration),
            Box::new(m0016_lock_picture::Migration),
            Box::new(m0017_stepped_run::Migration),
            Box::new(m0018_continuous_audit::Migration),
            Box::new(m0019_foreign_key_indexes::Migration),
            Box::new(m0020_private_runs::Migration),
            Box::new(m0021_wrong_amounts_and_limits::Migration),
            Box::new(m0022_named_runs::Migration),
            Box::new(m0023_sales::Migration),
            Box::new(m0024_kept_units::Migration),
            Box::new(m0025_longer_names::Migration),
            Box::new(m0026_holds_of_sales::Migration),
            Box::new(m0027_product_search::Migration),
            Box::new(m0028_session_ids::Migration),
            Box::new(m0030_switched_codes::Migration),
            Box::new(m0031_fencing_tokens::Migration),
            Box::new(m0032_queue_outcomes::Migration),
            Box::new(m0033_outbox::Migration),
            Box::new(m0034_wrong_passwords::Migration),
            Box::new(m0035_levels_of_all_counters::Migration),
            Box::new(m0036_event_states::Migration),
            Box::new(m0038_events_of_refunds::Migration),
            Box::new(m0039_wrong_guesses::Migration),
        ]
    }
}
