//! Bringing the schema up to date, under a lock: several servers may start at once.

use std::time::Duration;

use migration::{Migrator, MigratorTrait, sea_orm_migration::MigrationStatus};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

use super::dialect;

/// Any number that nobody else uses: "door" in ASCII.
const MIGRATION_LOCK: i64 = 0x646f_6f72;

/// What to do with the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply what is missing.
    Up,
    /// Take the last step back.
    Down,
    /// Drop everything, then apply all.
    Fresh,
}

/// One step of the schema, and whether it has been applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepStatus {
    pub name: String,
    pub applied: bool,
}

/// Carries out `step` while nobody else changes the schema.
///
/// # Errors
/// What the database says.
pub async fn migrate(url: &str, step: Step) -> Result<(), DbErr> {
    under_lock(url, async |connection| match step {
        Step::Up => Migrator::up(connection, None).await,
        Step::Down => Migrator::down(connection, Some(1)).await,
        Step::Fresh => Migrator::fresh(connection).await,
    })
    .await
}

/// All steps, oldest first.
///
/// # Errors
/// What the database says.
pub async fn status(url: &str) -> Result<Vec<StepStatus>, DbErr> {
    under_lock(url, async |connection| {
        let steps = Migrator::get_migration_with_status(connection).await?;
        Ok(steps
            .into_iter()
            .map(|step| StepStatus {
                name: step.name().to_owned(),
                applied: step.status() == MigrationStatus::Applied,
            })
            .collect())
    })
    .await
}

/// Runs `work` on a connection of its own that holds the schema lock. A pool of one connection: a session's advisory lock
/// must be taken and given back on the same one.
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
    // Closing the connection frees the lock too; this way a failure to unlock is seen where it happens.
    let unlocked = dialect::advisory_unlock(&connection, MIGRATION_LOCK).await;
    connection.close().await?;
    let value = result?;
    unlocked?;
    Ok(value)
}
