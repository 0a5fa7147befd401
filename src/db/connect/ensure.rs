//! Creates a server's database if it does not exist.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};

use super::{ConnectError, close};
use crate::db::{
    dialect,
    engine::{self, Engine},
};

/// Creates the database that `url` names if it does not exist. Several servers may try at once.
///
/// # Errors
/// [`ConnectError::Unreachable`] if the server cannot be reached; [`ConnectError::Create`] if it
/// refuses.
pub async fn ensure_database(url: &str) -> Result<(), ConnectError> {
    let (_, parsed) = Engine::of_url(url)?;
    let database = parsed.path().trim_start_matches('/').to_owned();
    match single_connection(url).await {
        Ok(connection) => {
            close(connection).await;
            return Ok(());
        }
        Err(error) if engine::is_absent_database(&error) => {}
        Err(error) => return Err(ConnectError::Unreachable(error)),
    }
    let mut maintenance = parsed;
    maintenance.set_path("/postgres");
    let connection = single_connection(maintenance.as_str())
        .await
        .map_err(ConnectError::Unreachable)?;
    let created = connection
        .execute_unprepared(&dialect::create_database(&database))
        .await;
    close(connection).await;
    match created {
        Err(error) if !engine::is_already_there(&error) => Err(ConnectError::Create {
            database,
            source: error,
        }),
        _ => {
            tracing::info!(database, "created the database");
            Ok(())
        }
    }
}

async fn single_connection(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    Database::connect(options).await
}
