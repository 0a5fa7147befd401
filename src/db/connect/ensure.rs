//! Finds the database of a URL, or creates it.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};

use super::{ConnectError, close};
use crate::db::engine::{self, Engine, mysql, postgres};

/// Creates the database that `url` names if it does not exist. Several servers may try at once.
///
/// # Errors
/// [`ConnectError::Unreachable`] if the server cannot be reached; [`ConnectError::Create`] if it
/// refuses; [`ConnectError::OldServer`]; [`ConnectError::NotSynced`].
pub async fn ensure_database(url: &str) -> Result<(), ConnectError> {
    if find_database(url).await? {
        return Ok(());
    }
    let (engine, parsed) = Engine::of_url(url)?;
    let database = parsed.path().trim_start_matches('/').to_owned();
    let mut maintenance = parsed;
    maintenance.set_path(match engine {
        Engine::Postgres => "/postgres",
        Engine::MySql => "/",
    });
    let connection = single_connection(maintenance.as_str())
        .await
        .map_err(failed)?;
    let create = match engine {
        Engine::Postgres => postgres::create_database(&database),
        Engine::MySql => mysql::server::create_database(&database),
    };
    let checked = check_server(&connection).await;
    let created = match &checked {
        Ok(()) => connection.execute_unprepared(&create).await.map(drop),
        Err(_) => Ok(()),
    };
    close(connection).await;
    checked?;
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

/// Returns whether the database that `url` names exists. Changes nothing.
///
/// # Errors
/// [`ConnectError::Url`]; [`ConnectError::Unreachable`] if the server cannot be reached;
/// [`ConnectError::OldServer`]; [`ConnectError::NotSynced`].
pub async fn find_database(url: &str) -> Result<bool, ConnectError> {
    Engine::of_url(url)?;
    match single_connection(url).await {
        Ok(connection) => {
            let checked = check_server(&connection).await;
            close(connection).await;
            checked.map(|()| true)
        }
        Err(error) if engine::is_absent_database(&error) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Distinguishes a URL that the driver refuses from a server that does not answer.
fn failed(error: DbErr) -> ConnectError {
    match engine::refused_url(&error) {
        Some(reason) => ConnectError::Url(reason),
        None => ConnectError::Unreachable(error),
    }
}

/// Checks that Doorbuster runs on the server.
async fn check_server(connection: &DatabaseConnection) -> Result<(), ConnectError> {
    match Engine::of(connection) {
        Engine::Postgres => Ok(()),
        Engine::MySql => {
            let pool = connection.get_mysql_connection_pool();
            mysql::server::check_version(pool).await?;
            mysql::server::check_synced(pool).await
        }
    }
}

/// Opens one connection outside of the pools.
pub(super) async fn single_connection(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    Database::connect(options).await
}
