//! Reads the server's sessions: their waits, their locks, and the rows that they hold.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::{
    Db, dialect,
    engine::{Engine, mysql},
};

/// The wait of one session, if it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionWait {
    pub pid: i32,
    /// The sessions that hold the lock, or are ahead in its queue.
    pub blocked_by: Vec<i32>,
    /// How long it has waited, in milliseconds; 0 if it does not wait.
    pub waited_ms: i64,
}

/// One lock that a session holds or waits for.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct SessionLock {
    pub pid: i32,
    /// The `locktype` of `pg_locks`: `relation`, `tuple`, `transactionid`, `advisory` …
    pub kind: String,
    /// The table or index, if the lock is on one.
    pub relation: Option<String>,
    pub mode: String,
    pub granted: bool,
    /// For a lock on a transaction: the session that runs it.
    pub of_pid: Option<i32>,
}

/// A `stock` row that an open transaction has locked or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct RowHolder {
    pub product_id: i64,
    pub pid: i32,
}

/// True if the engine shows everything of its sessions that the functions of this module read.
pub fn can_be_followed(db: &Db) -> bool {
    db.engine() == Engine::Postgres
}

/// Returns the process id of the server process behind the pool's only connection.
pub async fn backend_pid(db: &Db) -> Result<i32, DbErr> {
    let row = db
        .transactions()
        .query_one_raw(dialect::statement("SELECT pg_backend_pid()", []))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("no row for the process id".to_owned()))?;
    row.try_get_by_index(0)
}

/// Returns the `deadlock_timeout` in milliseconds: how long a session waits before the database
/// checks for a deadlock. It checks once for each wait.
pub async fn deadlock_timeout_ms<C: ConnectionTrait>(connection: &C) -> Result<i64, DbErr> {
    let sql = "SELECT setting::bigint FROM pg_settings WHERE name = 'deadlock_timeout'";
    let row = connection
        .query_one_raw(dialect::statement(sql, []))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("deadlock_timeout".to_owned()))?;
    row.try_get_by_index(0)
}

#[derive(FromQueryResult)]
struct SessionWaitRow {
    pid: i32,
    blockers: String,
    waited_ms: i64,
}

/// Returns the waits of the sessions `pids`; a session that has ended is left out.
pub async fn session_waits<C: ConnectionTrait>(
    connection: &C,
    pids: &[i32],
) -> Result<Vec<SessionWait>, DbErr> {
    let sql = "SELECT a.pid, array_to_string(pg_blocking_pids(a.pid), ',') AS blockers, \
                 coalesce((SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000)::bigint \
                           FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted), 0) AS waited_ms \
               FROM pg_stat_activity a WHERE a.pid = ANY (string_to_array($1, ',')::int[])";
    let rows = SessionWaitRow::find_by_statement(dialect::statement(sql, [list(pids).into()]))
        .all(connection)
        .await?;
    let numbers = |text: &str| text.split(',').filter_map(|n| n.parse().ok()).collect();
    Ok(rows
        .into_iter()
        .map(|row| SessionWait {
            pid: row.pid,
            blocked_by: numbers(&row.blockers),
            waited_ms: row.waited_ms,
        })
        .collect())
}

/// Returns the locks of the sessions `pids`, without the lock that every transaction holds on
/// itself.
pub async fn locks<C: ConnectionTrait>(
    connection: &C,
    pids: &[i32],
) -> Result<Vec<SessionLock>, DbErr> {
    let sql = "SELECT l.pid, l.locktype AS kind, c.relname::text AS relation, l.mode, l.granted, \
                 (SELECT t.pid FROM pg_locks t WHERE t.locktype = 'transactionid' AND t.granted \
                    AND t.mode = 'ExclusiveLock' AND t.transactionid = l.transactionid) AS of_pid \
               FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation \
               WHERE l.pid = ANY (string_to_array($1, ',')::int[]) AND l.locktype <> 'virtualxid' \
                 AND NOT (l.locktype = 'transactionid' AND l.granted) \
               ORDER BY l.granted, l.locktype = 'relation', relation, l.mode, l.pid";
    SessionLock::find_by_statement(dialect::statement(sql, [list(pids).into()]))
        .all(connection)
        .await
}

/// Returns which of the sessions `pids` hold the stock rows of `product_ids`. A row lock is stored
/// in the row itself, as the id of its transaction: `pg_locks` lists only the sessions that wait
/// for one.
pub async fn row_holders<C: ConnectionTrait>(
    connection: &C,
    product_ids: &[i64],
    pids: &[i32],
) -> Result<Vec<RowHolder>, DbErr> {
    let sql = "SELECT s.product_id, l.pid FROM stock s \
               JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock' \
                 AND l.transactionid = s.xmax \
               WHERE s.product_id = ANY (string_to_array($1, ',')::bigint[]) \
                 AND l.pid = ANY (string_to_array($2, ',')::int[]) \
               ORDER BY s.product_id";
    let products: Vec<_> = product_ids.iter().map(ToString::to_string).collect();
    let values = [products.join(",").into(), list(pids).into()];
    RowHolder::find_by_statement(dialect::statement(sql, values))
        .all(connection)
        .await
}

/// Terminates the sessions `pids`; their open transactions are rolled back.
pub async fn terminate<C: ConnectionTrait>(connection: &C, pids: &[i32]) -> Result<(), DbErr> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE pid = ANY (string_to_array($1, ',')::int[])";
    connection
        .query_all_raw(dialect::statement(sql, [list(pids).into()]))
        .await
        .map(drop)
}

/// Terminates every session of this database whose application name begins with `prefix`, and
/// returns how many there were. A session ends a moment later.
pub async fn terminate_named<C: ConnectionTrait>(
    connection: &C,
    prefix: &str,
) -> Result<usize, DbErr> {
    if Engine::of(connection) == Engine::MySql {
        // A session of a process that has ended is gone, and one of a process that is frozen has
        // been ended by the server.
        return mysql::sessions::end(connection, |name| name.starts_with(prefix)).await;
    }
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND starts_with(application_name, $1) \
                 AND pid <> pg_backend_pid()";
    let rows = connection
        .query_all_raw(dialect::statement(sql, [prefix.into()]))
        .await?;
    Ok(rows.len())
}

fn list(pids: &[i32]) -> String {
    let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
    pids.join(",")
}
