//! What the shop's SQL says in the words of the engine: its advisory locks, its clock, its
//! functions.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, FromQueryResult, Select,
    Statement, UpdateMany,
    sea_query::{Expr, ExprTrait, Func, FunctionCall, IntoColumnRef, LikeExpr, SimpleExpr},
};
use uuid::Uuid;

use super::engine::{
    Engine,
    mysql::{self, named_lock},
};

/// `column = ANY($1)`: one prepared statement for any number of ids, where `IN (…)` would need one
/// for each number.
pub fn column_in<C: ColumnTrait>(column: C, ids: &[i64]) -> SimpleExpr {
    Expr::col(column.as_column_ref()).eq(any(ids.to_vec()))
}

/// The same for text columns.
pub fn text_in<C: ColumnTrait>(column: C, texts: Vec<String>) -> SimpleExpr {
    Expr::col(column.as_column_ref()).eq(any(texts))
}

/// The same for columns of UUIDs.
pub fn uuid_in<C: ColumnTrait>(column: C, uuids: Vec<Uuid>) -> SimpleExpr {
    Expr::col(column.as_column_ref()).eq(any(uuids))
}

/// `ANY($1)`, with a list as one value.
fn any(members: impl Into<sea_orm::Value>) -> FunctionCall {
    Func::cust("ANY").arg(Expr::value(members))
}

/// The same in hand-written SQL: true if the list that is bound as parameter `position` contains
/// `column`.
pub fn is_any(column: &str, position: usize) -> String {
    format!("{column} = ANY(${position})")
}

/// True if one statement can write several tables: a common table expression may be an insert or an
/// update.
pub fn writes_in_expressions<C: ConnectionTrait>(connection: &C) -> bool {
    Engine::of(connection) == Engine::Postgres
}

/// True if a lock of rows can be restricted to one of the joined tables, and does not lock the rows
/// that a sort has read in vain.
pub fn locks_only_the_result<C: ConnectionTrait>(connection: &C) -> bool {
    Engine::of(connection) == Engine::Postgres
}

/// The condition that a boolean column is false, as an index on it is used.
pub fn is_false<C: ConnectionTrait>(connection: &C, column: impl IntoColumnRef) -> SimpleExpr {
    match Engine::of(connection) {
        Engine::Postgres => Expr::col(column).not(),
        Engine::MySql => Expr::col(column).eq(false),
    }
}

/// Runs an update of rows, and returns them as it left them: in one statement, or with the query
/// `rows`, which must find exactly the rows that the update changes, and which are locked by then.
pub async fn update_and_read<C: ConnectionTrait, E: EntityTrait>(
    connection: &C,
    update: UpdateMany<E>,
    rows: Select<E>,
) -> Result<Vec<E::Model>, DbErr> {
    match Engine::of(connection) {
        Engine::Postgres => update.exec_with_returning(connection).await,
        Engine::MySql => match update.exec(connection).await?.rows_affected {
            0 => Ok(Vec::new()),
            _ => rows.all(connection).await,
        },
    }
}

/// An expression as a 64-bit integer, in this engine's words.
pub fn integer(expression: &str) -> String {
    format!("CAST({expression} AS bigint)")
}

/// The same for an expression of the query builder.
pub fn as_integer(expression: impl Into<SimpleExpr>) -> SimpleExpr {
    let expression: SimpleExpr = expression.into();
    expression.cast_as("bigint")
}

/// The microseconds from the time `from` to the time `to`, both expressions, as a 64-bit integer.
pub fn microseconds_between(from: &str, to: &str) -> String {
    integer(&format!("EXTRACT(EPOCH FROM {to} - {from}) * 1000000"))
}

/// True if `column`, a text that `fold_search_text` has folded (migration m0027), contains `word`
/// in any case and with or without accents. The word is not a pattern: `%` and `_` are ordinary
/// characters.
pub fn contains_folded<C: ConnectionTrait>(
    connection: &C,
    column: impl IntoColumnRef,
    word: &str,
) -> SimpleExpr {
    match Engine::of(connection) {
        Engine::Postgres => Func::cust("strpos")
            .arg(Expr::col(column))
            .arg(folded(word))
            .gt(0),
        // Its comparison of parts of a text does not use the collation of the column; `LIKE` does.
        Engine::MySql => Expr::col(column).like(LikeExpr::new(mysql::contains(word)).escape('|')),
    }
}

/// A text as searches and lists compare it: in lower case and without accents.
pub fn folded(text: impl Into<SimpleExpr>) -> SimpleExpr {
    Func::cust("fold_search_text").arg(text).into()
}

/// Builds a statement with positional parameters, for SQL that the query builder cannot express.
pub fn statement<I>(sql: &str, values: I) -> Statement
where
    I: IntoIterator<Item = sea_orm::Value>,
{
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}

/// The server's name, fsync setting and time.
#[derive(Debug)]
pub struct ServerFacts {
    /// Product and version, such as `MariaDB 10.11.14`.
    pub name: String,
    pub fsync: String,
    pub now: time::OffsetDateTime,
}

#[derive(Debug, FromQueryResult)]
struct ServerRow {
    version: String,
    fsync: String,
    now: time::OffsetDateTime,
}

/// Returns product and version of a server that reports `version`, without what its package adds.
fn server_name(engine: Engine, version: &str) -> String {
    let product = match engine {
        Engine::Postgres => "PostgreSQL",
        Engine::MySql if version.contains("MariaDB") => "MariaDB",
        Engine::MySql => "MySQL",
    };
    // MariaDB puts this in front for replicas that expect a number with one digit.
    let number = version.strip_prefix("5.5.5-").unwrap_or(version);
    let number = number.split([' ', '-']).next().unwrap_or_default();
    format!("{product} {number}")
}

/// Queries the server's version, whether its commits are durable, and its time.
pub async fn server(connection: &impl ConnectionTrait) -> Result<ServerFacts, DbErr> {
    let engine = Engine::of(connection);
    let sql = match engine {
        Engine::Postgres => {
            "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, \
             CURRENT_TIMESTAMP AS now"
        }
        Engine::MySql => {
            "SELECT VERSION() AS version, CURRENT_TIMESTAMP AS now, \
               CASE @@innodb_flush_log_at_trx_commit WHEN 1 THEN 'on' ELSE 'off' END AS fsync"
        }
    };
    let row = ServerRow::find_by_statement(statement(sql, []))
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("no row for the server's settings".to_owned()))?;
    Ok(ServerFacts {
        name: server_name(engine, &row.version),
        fsync: row.fsync,
        now: row.now,
    })
}

#[derive(Debug, FromQueryResult)]
struct ClockRow {
    now: time::OffsetDateTime,
}

/// Returns the database's time. Inside a transaction this is the time at which it began.
pub async fn now<C: ConnectionTrait>(connection: &C) -> Result<time::OffsetDateTime, DbErr> {
    ClockRow::find_by_statement(statement("SELECT CURRENT_TIMESTAMP AS now", []))
        .one(connection)
        .await?
        .map(|moment| moment.now)
        .ok_or_else(|| DbErr::RecordNotFound("no row for the current time".to_owned()))
}

/// The database's time at which the statement runs, as an expression: also in a transaction that
/// began earlier and has waited for a lock since.
pub fn clock() -> SimpleExpr {
    Expr::cust("clock_timestamp()")
}

/// Selects [`clock`].
pub fn clock_query() -> Statement {
    statement("SELECT clock_timestamp() AS now", [])
}

/// Returns the database's time now; see [`clock`].
pub async fn clock_now<C: ConnectionTrait>(connection: &C) -> Result<time::OffsetDateTime, DbErr> {
    ClockRow::find_by_statement(clock_query())
        .one(connection)
        .await?
        .map(|moment| moment.now)
        .ok_or_else(|| DbErr::RecordNotFound("no row for the current time".to_owned()))
}

/// Runs a statement that takes `pause`.
pub async fn sleep<C: ConnectionTrait>(
    connection: &C,
    pause: std::time::Duration,
) -> Result<(), DbErr> {
    let sql = match Engine::of(connection) {
        Engine::Postgres => "SELECT pg_sleep($1)",
        Engine::MySql => "SELECT SLEEP($1)",
    };
    connection
        .query_one_raw(statement(sql, [pause.as_secs_f64().into()]))
        .await
        .map(drop)
}

/// Terminates the session of this connection.
///
/// # Errors
/// Always `DbErr`: the connection is gone.
pub async fn end_own_session<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    match Engine::of(connection) {
        Engine::Postgres => {
            let sql = "SELECT pg_terminate_backend(pg_backend_pid())";
            connection.query_one_raw(statement(sql, [])).await.map(drop)
        }
        Engine::MySql => connection
            .execute_unprepared("KILL CONNECTION_ID()")
            .await
            .map(drop),
    }
}

/// Terminates every session of this database with this `application_name`.
pub async fn end_sessions<C: ConnectionTrait>(
    connection: &C,
    application_name: &str,
) -> Result<(), DbErr> {
    if Engine::of(connection) == Engine::MySql {
        let is_meant = |name: &str| name == application_name;
        return mysql::sessions::end(connection, is_meant).await.map(drop);
    }
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";
    connection
        .query_all_raw(statement(sql, [application_name.into()]))
        .await
        .map(drop)
}

/// Waits for the session-level advisory lock `key` on this connection.
pub async fn advisory_lock<C: ConnectionTrait>(connection: &C, key: i64) -> Result<(), DbErr> {
    match Engine::of(connection) {
        Engine::Postgres => connection
            .execute_raw(statement("SELECT pg_advisory_lock($1)", [key.into()]))
            .await
            .map(drop),
        Engine::MySql => named_lock::take_patiently(connection, &named_lock::of_key(key)).await,
    }
}

/// Releases the lock of [`advisory_lock`].
pub async fn advisory_unlock<C: ConnectionTrait>(connection: &C, key: i64) -> Result<(), DbErr> {
    match Engine::of(connection) {
        Engine::Postgres => connection
            .execute_raw(statement("SELECT pg_advisory_unlock($1)", [key.into()]))
            .await
            .map(drop),
        Engine::MySql => named_lock::release(connection, &named_lock::of_key(key)).await,
    }
}

/// Waits for the advisory lock of `id` in `class`, and holds it until the transaction ends. An id
/// has 64 bits and a lock's key 32: the halves are combined, and two products with the same key
/// share a lock, which is slower but never wrong.
pub async fn advisory_lock_in_transaction<C: ConnectionTrait>(
    connection: &C,
    class: i32,
    id: i64,
) -> Result<(), DbErr> {
    if Engine::of(connection) == Engine::MySql {
        return named_lock::take(connection, &named_lock::of_class(class, id)).await;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both halves are combined on purpose"
    )]
    let folded = (id ^ (id >> 32)) as i32;
    connection
        .query_one_raw(statement(
            "SELECT pg_advisory_xact_lock($1, $2)",
            [class.into(), folded.into()],
        ))
        .await
        .map(drop)
}

/// Waits for an advisory lock like [`advisory_lock_in_transaction`], and excludes the transactions
/// on the other nodes of a cluster, which do not share the lock: of two that have it at the same
/// time, one fails with a retryable error at COMMIT.
pub async fn cluster_lock_in_transaction<C: ConnectionTrait>(
    connection: &C,
    class: i32,
    id: i64,
) -> Result<(), DbErr> {
    advisory_lock_in_transaction(connection, class, id).await?;
    match Engine::of(connection) {
        Engine::Postgres => Ok(()),
        Engine::MySql => mysql::cluster::exclude(connection, id).await,
    }
}

/// Takes the advisory lock `key` until the transaction ends, unless another session holds it.
///
/// On a cluster, two servers on two nodes can both have it. So it may only save work: everything
/// that is done under it must be right if it is done twice, or be written to the same rows, so that
/// one of the two fails at COMMIT.
pub async fn try_advisory_lock_in_transaction<C: ConnectionTrait>(
    connection: &C,
    key: i64,
) -> Result<bool, DbErr> {
    if Engine::of(connection) == Engine::MySql {
        return named_lock::try_take(connection, &named_lock::of_key(key)).await;
    }
    let sql = "SELECT pg_try_advisory_xact_lock($1) AS is_taken";
    let row = connection
        .query_one_raw(statement(sql, [key.into()]))
        .await?;
    match row {
        Some(row) => row.try_get("", "is_taken"),
        None => Ok(false),
    }
}

/// Makes this transaction prefer indexes for its statements: they look up some thousands of rows
/// that are next to each other, while PostgreSQL's estimate is for rows in random places of a disk,
/// and would read a whole table instead.
pub async fn prefer_indexes<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    match Engine::of(connection) {
        Engine::Postgres => connection
            .execute_unprepared("SET LOCAL random_page_cost = 1")
            .await
            .map(drop),
        // Its rows are in the order of their primary key, and a range of it is read as one.
        Engine::MySql => Ok(()),
    }
}

/// Makes this transaction's commit wait for the disk, even if it wrote nothing: the rows that it
/// read may come from a commit that did not wait. The log is ordered, so this flush covers them.
pub async fn flush_at_commit<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    match Engine::of(connection) {
        Engine::Postgres => {
            let sql = "SELECT pg_logical_emit_message(true, 'doorbuster', '')";
            connection.query_one_raw(statement(sql, [])).await.map(drop)
        }
        Engine::MySql => connection
            .execute_raw(statement(mysql::MARK, []))
            .await
            .map(drop),
    }
}

/// Builds a statement that lists, for each of `tables`, the last id that was given to a
/// transaction, in the columns `table_name` and `verified_id`.
pub fn last_drawn_ids<C: ConnectionTrait>(connection: &C, tables: &[&str]) -> Statement {
    let ids = tables.iter().map(|table| {
        let last = match Engine::of(connection) {
            Engine::Postgres => format!(
                "coalesce(pg_sequence_last_value(pg_get_serial_sequence('{table}', 'id')::regclass), 0)"
            ),
            Engine::MySql => mysql::last_drawn_id(table),
        };
        format!("SELECT '{table}' AS table_name, {last} AS verified_id")
    });
    let ids: Vec<_> = ids.collect();
    statement(&ids.join(" UNION ALL "), [])
}

/// Builds a statement that lists, in the column `writer`, the open transactions that have written
/// to one of `tables` or are about to; perhaps others, too.
pub fn writers<C: ConnectionTrait>(connection: &C, tables: &[&str]) -> Statement {
    match Engine::of(connection) {
        Engine::Postgres => {
            let names: Vec<_> = tables.iter().map(|table| format!("'{table}'")).collect();
            let sql = format!(
                "SELECT DISTINCT l.virtualtransaction AS writer FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                 WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   AND c.relname IN ({}) AND l.granted AND l.mode = 'RowExclusiveLock'",
                names.join(", ")
            );
            statement(&sql, [])
        }
        Engine::MySql => statement(mysql::OPEN_TRANSACTIONS, []),
    }
}

/// Lets the next id of `table` be larger than all in use, after rows were inserted with explicit
/// ids.
pub async fn advance_ids<C: ConnectionTrait>(connection: &C, table: &str) -> Result<(), DbErr> {
    match Engine::of(connection) {
        Engine::Postgres => {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            );
            connection.execute_unprepared(&sql).await.map(drop)
        }
        // An explicit id has advanced it.
        Engine::MySql => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_product_and_its_version() {
        for (engine, version, expected) in [
            (
                Engine::Postgres,
                "15.16 (Debian 15.16-0+deb12u1)",
                "PostgreSQL 15.16",
            ),
            (
                Engine::MySql,
                "10.11.14-MariaDB-0+deb12u2",
                "MariaDB 10.11.14",
            ),
            (
                Engine::MySql,
                "5.5.5-10.6.12-MariaDB-log",
                "MariaDB 10.6.12",
            ),
            (Engine::MySql, "8.0.36-0ubuntu0.22.04.1", "MySQL 8.0.36"),
        ] {
            assert_eq!(server_name(engine, version), expected);
        }
    }
}
