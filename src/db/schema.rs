//! Applies the migrations under a lock, because several servers may start at once, and compares the
//! schema of a database with that of this program.

use std::{fmt, time::Duration};

use migration::{
    MigratorTrait, SchemaManager,
    sea_orm_migration::{MigrationStatus, seaql_migrations},
};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, EntityTrait};

use super::{
    dialect,
    engine::{self, Engine},
};

/// The key of the advisory lock: an arbitrary number that no other lock uses. The nodes of a
/// cluster do not share it, but they execute changes of the schema one after the other: of two
/// servers that migrate on two nodes, one stops at the first table that the other has created.
const MIGRATION_LOCK: i64 = 0x646f_6f72;

/// A change of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply all pending migrations.
    Up,
    /// Revert the last migration, unless that would drop a table with rows that people made.
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

/// How the schema of a database differs from that of this program, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaDifference {
    /// The server has no such database.
    NoDatabase,
    /// So many migrations are not applied.
    Pending(usize),
    /// A newer program has applied migrations that this one does not know.
    Newer,
}

impl fmt::Display for SchemaDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REMEDY: &str = "start a server of this version, or run `doorbuster migrate`";
        match self {
            Self::NoDatabase => write!(f, "the database does not exist: {REMEDY}"),
            Self::Pending(1) => write!(f, "1 migration is pending: {REMEDY}"),
            Self::Pending(count) => write!(f, "{count} migrations are pending: {REMEDY}"),
            Self::Newer => f.write_str(
                "a newer version has changed the schema of the database: use a program of that \
                 version",
            ),
        }
    }
}

impl std::error::Error for SchemaDifference {}

/// Compares the schema of the database at `url` with that of this program; `None` if they agree.
/// Changes nothing. Waits while a server applies migrations.
pub async fn difference(url: &str) -> Result<Option<SchemaDifference>, DbErr> {
    let compared = under_lock(url, async |connection| {
        let applied = applied(connection).await?;
        let known = match Engine::of(connection) {
            Engine::Postgres => names::<migration::Migrator>(),
            Engine::MySql => names::<migration::mysql::Migrator>(),
        };
        if applied.iter().any(|name| !known.contains(name)) {
            return Ok(Some(SchemaDifference::Newer));
        }
        let pending = known.iter().filter(|name| !applied.contains(name)).count();
        Ok((pending > 0).then_some(SchemaDifference::Pending(pending)))
    });
    match compared.await {
        Err(error) if engine::is_absent_database(&error) => Ok(Some(SchemaDifference::NoDatabase)),
        compared => compared,
    }
}

/// Returns the names of the migrations that the database has.
async fn applied(connection: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let schema = SchemaManager::new(connection);
    if !schema.has_table("seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let applied = seaql_migrations::Entity::find().all(connection).await?;
    Ok(applied.into_iter().map(|model| model.version).collect())
}

fn names<M: MigratorTrait>() -> Vec<String> {
    let migrations = M::migrations().into_iter();
    migrations.map(|step| step.name().to_owned()).collect()
}

/// Runs `step` while no other server changes the schema.
///
/// # Errors
/// `DbErr::Migration` if a revert would drop a table with rows that people made.
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

/// Lists all migrations, oldest first; as pending, if there is no such database. Changes nothing.
pub async fn status(url: &str) -> Result<Vec<MigrationEntry>, DbErr> {
    let listed = under_lock(url, async |connection| match Engine::of(connection) {
        Engine::Postgres => entries::<migration::Migrator>(connection).await,
        Engine::MySql => entries::<migration::mysql::Migrator>(connection).await,
    });
    match listed.await {
        Err(error) if engine::is_absent_database(&error) => pending(url),
        listed => listed,
    }
}

/// Lists all migrations of the engine that the URL names, as pending.
fn pending(url: &str) -> Result<Vec<MigrationEntry>, DbErr> {
    let (engine, _) = Engine::of_url(url).map_err(|error| DbErr::Custom(error.to_string()))?;
    let names = match engine {
        Engine::Postgres => names::<migration::Migrator>(),
        Engine::MySql => names::<migration::mysql::Migrator>(),
    };
    let entry = |name| MigrationEntry {
        name,
        applied: false,
    };
    Ok(names.into_iter().map(entry).collect())
}

async fn entries<M: MigratorTrait>(
    connection: &DatabaseConnection,
) -> Result<Vec<MigrationEntry>, DbErr> {
    let steps = M::get_migration_with_status_read_only(connection).await?;
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
