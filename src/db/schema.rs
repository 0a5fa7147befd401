//! Applies the migrations under a lock, because several servers may start at once.

use std::time::Duration;

use migration::{MigratorTrait, sea_orm_migration::MigrationStatus};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

use super::{dialect, engine::Engine};

/// The key of the advisory lock: an arbitrary number that no other lock uses.
const MIGRATION_LOCK: i64 = 0x646f_6f72;

/// A change of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply all pending migrations.
    Up,
    /// Revert the last migration.
    Down,
    /// Drop all tables, then apply all migrations.
    Fresh,
}

/// One migration, and whether it has been applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationEntry {
    pub name: String,
    pub applied: bool,
}

/// Runs `step` while no other server changes the schema.
pub async fn migrate(url: &str, step: Step) -> Result<(), DbErr> {
    under_lock(url, async |connection| match Engine::of(connection) {
        Engine::Postgres => take_step::<migration::Migrator>(connection, step).await,
        Engine::MySql => take_step::<migration::mysql::Migrator>(connection, step).await,
    })
    .await
}

async fn take_step<M: MigratorTrait>(
    connection: &DatabaseConnection,
    step: Step,
) -> Result<(), DbErr> {
    match step {
        Step::Up => M::up(connection, None).await,
        Step::Down => M::down(connection, Some(1)).await,
        Step::Fresh => M::fresh(connection).await,
    }
}

/// Lists all migrations, oldest first.
pub async fn status(url: &str) -> Result<Vec<MigrationEntry>, DbErr> {
    under_lock(url, async |connection| match Engine::of(connection) {
        Engine::Postgres => entries::<migration::Migrator>(connection).await,
        Engine::MySql => entries::<migration::mysql::Migrator>(connection).await,
    })
    .await
}

async fn entries<M: MigratorTrait>(
    connection: &DatabaseConnection,
) -> Result<Vec<MigrationEntry>, DbErr> {
    let steps = M::get_migration_with_status(connection).await?;
    Ok(steps
        .into_iter()
        .map(|step| MigrationEntry {
            name: step.name().to_owned(),
            applied: step.status() == MigrationStatus::Applied,
        })
        .collect())
}

/// Runs `work` on its own connection that holds the schema lock. The pool has one connection,
/// because a session-level advisory lock must be taken and released on the same one.
pub async fn under_lock<T>(
    url: &str,
    work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, DbErr>,
) -> Result<T, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(60))
        .sqlx_logging(false);
    let connection = Database::connect(options).await?;
    dialect::advisory_lock(&connection, MIGRATION_LOCK).await?;
    let result = work(&connection).await;
    // Closing the connection also releases the lock; an explicit unlock reports a failure where it
    // happens.
    let unlocked = dialect::advisory_unlock(&connection, MIGRATION_LOCK).await;
    connection.close().await?;
    let value = result?;
    unlocked?;
    Ok(value)
}
