//! The schema for MySQL (8.0.16 or newer) and MariaDB (10.6 or newer): the same tables, columns and
//! names as PostgreSQL's, from a baseline of its own. The history of PostgreSQL's schema is not
//! repeated here, because no MySQL database of an older version exists.
//!
//! The two histories are separate. A change of the schema is a migration in each of them.

use sea_orm_migration::prelude::*;

mod m0001_baseline;
mod m0002_wrong_passwords;
mod m0003_levels_of_all_counters;
mod m0004_event_states;
mod m0006_cluster_locks;
mod m0007_events_of_refunds;
mod m0008_wrong_guesses;

/// Runs all migrations for MySQL and MariaDB, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_baseline::Migration),
            Box::new(m0002_wrong_passwords::Migration),
            Box::new(m0003_levels_of_all_counters::Migration),
            Box::new(m0004_event_states::Migration),
            Box::new(m0006_cluster_locks::Migration),
            Box::new(m0007_events_of_refunds::Migration),
            Box::new(m0008_wrong_guesses::Migration),
        ]
    }
}
