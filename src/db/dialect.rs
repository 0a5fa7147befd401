//! What only PostgreSQL understands: its error codes, its advisory locks, its own functions.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, FromQueryResult, RuntimeErr, Statement,
    sea_query::{Expr, ExprTrait, SimpleExpr, extension::postgres::PgFunc},
    sqlx,
};

/// The SQLSTATE of an error that the server reported, if it was the server.
pub fn sqlstate(error: &DbErr) -> Option<String> {
    match runtime_error(error)? {
        sqlx::Error::Database(database) => database.code().map(std::borrow::Cow::into_owned),
        _ => None,
    }
}

fn runtime_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// The name of the constraint that an error reports as broken.
pub fn broken_constraint(error: &DbErr) -> Option<String> {
    match runtime_error(error)? {
        sqlx::Error::Database(database) => database.constraint().map(ToOwned::to_owned),
        _ => None,
    }
}

/// True for serialization failure, deadlock and lock timeout: the transaction did nothing and may be tried again.
pub fn is_retryable(error: &DbErr) -> bool {
    matches!(
        sqlstate(error).as_deref(),
        Some("40001" | "40P01" | "55P03")
    )
}

/// True when a row with that key is there already.
pub fn is_unique_violation(error: &DbErr) -> bool {
    sqlstate(error).as_deref() == Some("23505")
}

/// True when a number does not fit into its column.
pub fn is_out_of_range(error: &DbErr) -> bool {
    sqlstate(error).as_deref() == Some("22003")
}

/// True when the server could not be reached, went away, or is going: nothing that the caller asked for is wrong.
pub fn is_unavailable(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(_)) {
        return true;
    }
    match runtime_error(error) {
        // Class 08 is a broken connection, 57 an operator's intervention or a statement that took too long, 53 a lack of resources; 25P03 and 25P04 end a
        // session that stood idle in a transaction, as one does whose client froze.
        Some(sqlx::Error::Database(database)) => database.code().is_some_and(|code| {
            ["08", "57", "53", "25P03", "25P04"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_),
        ) => true,
        _ => false,
    }
}

/// True when the server has no database of that name.
pub fn is_absent_database(error: &DbErr) -> bool {
    sqlstate(error).as_deref() == Some("3D000")
}

/// True when somebody else created the database in the meantime (two racing `CREATE DATABASE` may also meet in the catalogue's index).
pub fn is_already_there(error: &DbErr) -> bool {
    matches!(sqlstate(error).as_deref(), Some("42P04" | "23505"))
}

/// `CREATE DATABASE`, with the name quoted.
pub fn create_database(name: &str) -> String {
    format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""))
}

/// `column = ANY($1)`: one prepared statement for any number of ids, where `IN (…)` would make one for each number.
pub fn column_in<C: ColumnTrait>(column: C, ids: &[i64]) -> SimpleExpr {
    Expr::col(column.as_column_ref()).eq(PgFunc::any(ids.to_vec()))
}

/// The same for texts.
pub fn text_in<C: ColumnTrait>(column: C, texts: Vec<String>) -> SimpleExpr {
    Expr::col(column.as_column_ref()).eq(PgFunc::any(texts))
}

/// A statement with positional parameters, for the few places where the query builder has no words.
pub fn statement<I>(sql: &str, values: I) -> Statement
where
    I: IntoIterator<Item = sea_orm::Value>,
{
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}

/// What a server says about itself.
#[derive(Debug, FromQueryResult)]
pub struct ServerFacts {
    pub version: String,
    pub fsync: String,
    pub now: time::OffsetDateTime,
}

/// Asks the server for its version, whether its commits are durable, and the time.
///
/// # Errors
/// What the database says.
pub async fn server(connection: &impl ConnectionTrait) -> Result<ServerFacts, DbErr> {
    let sql = "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, \
               CURRENT_TIMESTAMP AS now";
    ServerFacts::find_by_statement(statement(sql, []))
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the server's settings".to_owned()))
}

#[derive(Debug, FromQueryResult)]
struct Moment {
    now: time::OffsetDateTime,
}

/// The database's clock. Inside a transaction: the moment at which it began.
///
/// # Errors
/// What the database says.
pub async fn now<C: ConnectionTrait>(connection: &C) -> Result<time::OffsetDateTime, DbErr> {
    Moment::find_by_statement(statement("SELECT CURRENT_TIMESTAMP AS now", []))
        .one(connection)
        .await?
        .map(|moment| moment.now)
        .ok_or_else(|| DbErr::RecordNotFound("the time".to_owned()))
}

/// A statement that takes `pause`.
///
/// # Errors
/// What the database says.
pub async fn sleep<C: ConnectionTrait>(
    connection: &C,
    pause: std::time::Duration,
) -> Result<(), DbErr> {
    connection
        .query_one_raw(statement(
            "SELECT pg_sleep($1)",
            [pause.as_secs_f64().into()],
        ))
        .await
        .map(drop)
}

/// Cuts the very connection that asks.
///
/// # Errors
/// What the database says: that the connection is gone.
pub async fn end_own_session<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    connection
        .query_one_raw(statement(
            "SELECT pg_terminate_backend(pg_backend_pid())",
            [],
        ))
        .await
        .map(drop)
}

/// Cuts every connection of this database whose client calls itself `application_name`.
///
/// # Errors
/// What the database says.
pub async fn end_sessions<C: ConnectionTrait>(
    connection: &C,
    application_name: &str,
) -> Result<(), DbErr> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";
    connection
        .query_all_raw(statement(sql, [application_name.into()]))
        .await
        .map(drop)
}

/// Waits for the session-wide advisory lock `key` on this very connection.
///
/// # Errors
/// What the database says.
pub async fn advisory_lock<C: ConnectionTrait>(connection: &C, key: i64) -> Result<(), DbErr> {
    connection
        .execute_raw(statement("SELECT pg_advisory_lock($1)", [key.into()]))
        .await
        .map(drop)
}

/// Gives the lock of [`advisory_lock`] back.
///
/// # Errors
/// What the database says.
pub async fn advisory_unlock<C: ConnectionTrait>(connection: &C, key: i64) -> Result<(), DbErr> {
    connection
        .execute_raw(statement("SELECT pg_advisory_unlock($1)", [key.into()]))
        .await
        .map(drop)
}

/// Waits for the advisory lock of `id` in `class`, and keeps it until the transaction ends. An id has 64 bits and a lock's name 32:
/// the halves are folded, and two products that meet share a lock, which is slower and never wrong.
///
/// # Errors
/// What the database says.
pub async fn advisory_lock_in_transaction<C: ConnectionTrait>(
    connection: &C,
    class: i32,
    id: i64,
) -> Result<(), DbErr> {
    #[expect(clippy::cast_possible_truncation, reason = "folded on purpose")]
    let folded = (id ^ (id >> 32)) as i32;
    connection
        .query_one_raw(statement(
            "SELECT pg_advisory_xact_lock($1, $2)",
            [class.into(), folded.into()],
        ))
        .await
        .map(drop)
}

/// Makes this transaction's commit wait for the disk, also if it wrote nothing: what it read may have been committed by somebody who did
/// not wait. The log is ordered, so this flush covers what was read.
///
/// # Errors
/// What the database says.
pub async fn flush_at_commit<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    connection
        .query_one_raw(statement(
            "SELECT pg_logical_emit_message(true, 'doorbuster', '')",
            [],
        ))
        .await
        .map(drop)
}

/// Sets the sequence behind `table.id` past the largest id in use, after rows were inserted with ids of their own.
pub fn advance_ids(table: &str) -> String {
    format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
}
