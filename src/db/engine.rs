//! The database engines: which one a URL names, and what each does in its own way.
//!
//! Code outside of `db` never asks for the engine. It calls [`dialect`](super::dialect) and the
//! functions here, which know the engine by the connection, by the error or by the URL.

pub mod mysql;
pub mod postgres;

use std::borrow::Cow;

use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, RuntimeErr,
    sqlx::{self, mysql::MySqlDatabaseError},
};
use url::Url;

use super::connect::error::ConnectError;
use crate::metrics::transactions::CONNECTION;

pub use crate::model::DatabaseEngine as Engine;

impl Engine {
    /// Returns the engine of a connection.
    pub fn of<C: ConnectionTrait>(connection: &C) -> Self {
        match connection.get_database_backend() {
            DatabaseBackend::MySql => Self::MySql,
            _ => Self::Postgres,
        }
    }

    /// Returns the engine that `url` names by its scheme, and the parsed URL.
    ///
    /// # Errors
    /// [`ConnectError::Url`] for any other scheme, and for a text that is not a URL.
    pub fn of_url(url: &str) -> Result<(Self, Url), ConnectError> {
        let parsed = Url::parse(url).map_err(|error| ConnectError::Url(error.to_string()))?;
        match parsed.scheme() {
            "postgres" | "postgresql" => Ok((Self::Postgres, parsed)),
            "mysql" => Ok((Self::MySql, parsed)),
            other => Err(ConnectError::Url(format!("the scheme is {other}"))),
        }
    }
}

/// Returns a statement without parameters in the words of an engine, as it is sent.
pub fn in_words_of(engine: Engine, sql: &str) -> String {
    match engine {
        Engine::Postgres => sql.to_owned(),
        Engine::MySql => mysql::translate::translate_text(sql),
    }
}

/// The code of an error that the server reported.
enum ServerCode<'e> {
    Postgres(Cow<'e, str>),
    MySql(u16),
}

fn runtime_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn server_code(error: &DbErr) -> Option<ServerCode<'_>> {
    let sqlx::Error::Database(database) = runtime_error(error)? else {
        return None;
    };
    match database.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => Some(ServerCode::MySql(mysql::errors::condition(
            error.number(),
            error.message(),
        ))),
        None => database.code().map(ServerCode::Postgres),
    }
}

/// Returns why the driver refuses the URL itself, such as an unknown parameter of it.
pub fn refused_url(error: &DbErr) -> Option<String> {
    match runtime_error(error)? {
        sqlx::Error::Configuration(reason) => Some(reason.to_string()),
        _ => None,
    }
}

/// The text of [`refused_by_breaker`].
const REFUSED_BY_BREAKER: &str =
    "the database did not answer a moment ago, and gets no request until a probe is answered";

/// Returns the error of a call that was not made, because the database is unavailable.
pub fn refused_by_breaker() -> DbErr {
    DbErr::Custom(REFUSED_BY_BREAKER.to_owned())
}

/// True for the error that [`refused_by_breaker`] returns.
pub fn is_refused_by_breaker(error: &DbErr) -> bool {
    matches!(error, DbErr::Custom(text) if text == REFUSED_BY_BREAKER)
}

/// Returns the code of an error, if the server reported it.
pub fn error_code(error: &DbErr) -> Option<String> {
    server_code(error).map(|code| match code {
        ServerCode::Postgres(state) => state.into_owned(),
        ServerCode::MySql(number) => number.to_string(),
    })
}

/// Returns the condition of an error as an SQLSTATE in PostgreSQL's codes, whatever the engine, so
/// that an alert on deadlocks or on a full disk is the same on each.
pub fn sqlstate(error: &DbErr) -> String {
    if matches!(error, DbErr::Custom(text) if text == mysql::named_lock::TIMED_OUT) {
        return "55P03".to_owned();
    }
    match server_code(error) {
        Some(ServerCode::Postgres(state)) if state.starts_with("08") => CONNECTION.to_owned(),
        Some(ServerCode::Postgres(state)) => state.into_owned(),
        Some(ServerCode::MySql(number)) => mysql::errors::sqlstate(number).to_owned(),
        None if is_unavailable(error) => CONNECTION.to_owned(),
        None => "other".to_owned(),
    }
}

/// Returns the text of an error: that of the server alone, if the server reported it.
pub fn error_message(error: &DbErr) -> String {
    if let Some(sqlx::Error::Database(database)) = runtime_error(error)
        && let Some(error) = database.try_downcast_ref::<MySqlDatabaseError>()
    {
        return error.message().to_owned();
    }
    let whole = error.to_string();
    let (_, message) = whole
        .split_once("error returned from database: ")
        .unwrap_or(("", &whole));
    message.to_owned()
}

/// Returns the name of the constraint that an error reports as violated.
pub fn broken_constraint(error: &DbErr) -> Option<String> {
    match runtime_error(error)? {
        sqlx::Error::Database(database) => {
            match database.try_downcast_ref::<MySqlDatabaseError>() {
                Some(error) => mysql::errors::broken_constraint(error.number(), error.message()),
                None => database.constraint().map(ToOwned::to_owned),
            }
        }
        _ => None,
    }
}

/// True for serialization failure, deadlock and lock timeout: the transaction wrote nothing and may
/// be retried.
pub fn is_retryable(error: &DbErr) -> bool {
    if matches!(error, DbErr::Custom(text) if text == mysql::named_lock::TIMED_OUT) {
        return true;
    }
    server_code(error).is_some_and(|code| match code {
        ServerCode::Postgres(state) => postgres::errors::is_retryable(&state),
        ServerCode::MySql(number) => mysql::errors::is_retryable(number),
    })
}

/// True if a row with that key already exists.
pub fn is_unique_violation(error: &DbErr) -> bool {
    server_code(error).is_some_and(|code| match code {
        ServerCode::Postgres(state) => postgres::errors::is_unique_violation(&state),
        ServerCode::MySql(number) => mysql::errors::is_unique_violation(number),
    })
}

/// True if a number does not fit into its column.
pub fn is_out_of_range(error: &DbErr) -> bool {
    server_code(error).is_some_and(|code| match code {
        ServerCode::Postgres(state) => postgres::errors::is_out_of_range(&state),
        ServerCode::MySql(number) => mysql::errors::is_out_of_range(number),
    })
}

/// True if the server could not be reached or is shutting down, or if the connection was lost: the
/// request itself is not wrong.
pub fn is_unavailable(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(_)) || is_refused_by_breaker(error) {
        return true;
    }
    if let Some(code) = server_code(error) {
        return match code {
            ServerCode::Postgres(state) => postgres::errors::is_unavailable(&state),
            ServerCode::MySql(number) => mysql::errors::is_unavailable(number),
        };
    }
    matches!(
        runtime_error(error),
        Some(
            sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Protocol(_)
        )
    )
}

/// True if the connection was lost because the server or the network failed, so that others may be
/// lost too. An administrator can end a single session, so that is not enough.
pub fn is_connection_lost(error: &DbErr) -> bool {
    if let Some(code) = server_code(error) {
        return match code {
            ServerCode::Postgres(state) => postgres::errors::is_connection_lost(&state),
            ServerCode::MySql(number) => mysql::errors::is_connection_lost(number),
        };
    }
    matches!(
        runtime_error(error),
        Some(sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_))
    )
}

/// True if the server did not answer, or takes no requests at the moment. Every other error is an
/// answer: a server that reports a full disk, or cancels a slow statement, is there.
pub fn is_unresponsive(error: &DbErr) -> bool {
    match server_code(error) {
        Some(ServerCode::Postgres(state)) => postgres::errors::is_unresponsive(&state),
        Some(ServerCode::MySql(number)) => mysql::errors::is_unresponsive(number),
        None => is_unavailable(error),
    }
}

/// True if the server has no database of that name.
pub fn is_absent_database(error: &DbErr) -> bool {
    server_code(error).is_some_and(|code| match code {
        ServerCode::Postgres(state) => postgres::errors::is_absent_database(&state),
        ServerCode::MySql(number) => mysql::errors::is_absent_database(number),
    })
}

/// True if another process created the database in the meantime.
pub fn is_already_there(error: &DbErr) -> bool {
    server_code(error).is_some_and(|code| match code {
        ServerCode::Postgres(state) => postgres::errors::is_already_there(&state),
        ServerCode::MySql(number) => mysql::errors::is_already_there(number),
    })
}
