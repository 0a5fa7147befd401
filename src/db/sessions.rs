//! Reads the server's sessions: their waits, their locks, and the rows that they hold.

mod innodb;

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::{
    Db, dialect,
    engine::{Engine, mysql},
};
use crate::model::stepper::LockKind;

/// The wait of one session, if it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionWait {
    pub pid: i32,
    /// The sessions that hold the lock, or are ahead in its queue.
    pub blocked_by: Vec<i32>,
    /// How long it has waited, in milliseconds; 0 if it does not wait, or if the server does not
    /// say.
    pub waited_ms: i64,
    /// True if the lock belongs to a session, which releases it shortly after its transaction.
    pub is_of_session: bool,
}

/// The waits of sessions, and the locks that are known from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionWaits {
    pub waits: Vec<SessionWait>,
    /// Empty if [`locks`] returns the same locks.
    pub locks: Vec<SessionLock>,
}

/// One lock that a session holds or waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLock {
    pub pid: i32,
    pub kind: LockKind,
    /// The engine's own word: the `locktype` of `pg_locks`; on MySQL `record`, `gap`, `table` or
    /// `named`.
    pub word: String,
    /// The table or index, if the lock is on one.
    pub relation: Option<String>,
    /// The key of the row, if the engine shows it.
    pub row: Option<String>,
    pub mode: String,
    pub granted: bool,
    /// For a lock on a transaction: the session that runs it.
    pub of_pid: Option<i32>,
}

/// A `stock` row that an open transaction has locked or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowHolder {
    pub product_id: i64,
    pub pid: i32,
    /// False if others may lock the row for reading too.
    pub is_exclusive: bool,
}

/// Returns the id of the session of the pool's only connection.
pub async fn backend_pid(db: &Db) -> Result<i32, DbErr> {
    if db.engine() == Engine::MySql {
        return innodb::session_id(db.transactions()).await;
    }
    let row = db
        .transactions()
        .query_one_raw(dialect::statement("SELECT pg_backend_pid()", []))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("no row for the process id".to_owned()))?;
    row.try_get_by_index(0)
}

/// How long a statement may run before it is worth to ask who waits: on MariaDB, such a question
/// takes a tenth of a second.
pub fn waits_are_read_after(db: &Db) -> Duration {
    match db.engine() {
        Engine::Postgres => Duration::ZERO,
        Engine::MySql => Duration::from_millis(25),
    }
}

/// Returns the `deadlock_timeout` in milliseconds: how long a session waits before the database
/// checks for a deadlock. It checks once for each wait. `None` if it checks when a wait begins.
pub async fn deadlock_timeout_ms<C: ConnectionTrait>(connection: &C) -> Result<Option<i64>, DbErr> {
    if Engine::of(connection) == Engine::MySql {
        return Ok(None);
    }
    let sql = "SELECT setting::bigint FROM pg_settings WHERE name = 'deadlock_timeout'";
    let row = connection
        .query_one_raw(dialect::statement(sql, []))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("deadlock_timeout".to_owned()))?;
    row.try_get_by_index(0).map(Some)
}

#[derive(FromQueryResult)]
struct SessionWaitRow {
    pid: i32,
    blockers: String,
    waited_ms: i64,
}

/// Returns the waits of the sessions `pids`, among others those for the named locks of
/// `product_ids`; a session that has ended is left out.
pub async fn session_waits<C: ConnectionTrait>(
    connection: &C,
    pids: &[i32],
    product_ids: &[i64],
) -> Result<SessionWaits, DbErr> {
    if Engine::of(connection) == Engine::MySql {
        return innodb::session_waits(connection, pids, product_ids).await;
    }
    let sql = "SELECT a.pid, array_to_string(pg_blocking_pids(a.pid), ',') AS blockers, \
                 coalesce((SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000)::bigint \
                           FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted), 0) AS waited_ms \
               FROM pg_stat_activity a WHERE a.pid = ANY (string_to_array($1, ',')::int[])";
    let rows = SessionWaitRow::find_by_statement(dialect::statement(sql, [list(pids).into()]))
        .all(connection)
        .await?;
    let numbers = |text: &str| text.split(',').filter_map(|n| n.parse().ok()).collect();
    let waits = rows.into_iter().map(|row| SessionWait {
        pid: row.pid,
        blocked_by: numbers(&row.blockers),
        waited_ms: row.waited_ms,
        is_of_session: false,
    });
    Ok(SessionWaits {
        waits: waits.collect(),
        locks: Vec::new(),
    })
}

#[derive(FromQueryResult)]
struct LockRow {
    pid: i32,
    word: String,
    relation: Option<String>,
    mode: String,
    granted: bool,
    of_pid: Option<i32>,
}

impl From<LockRow> for SessionLock {
    fn from(row: LockRow) -> Self {
        Self {
            pid: row.pid,
            kind: match row.word.as_str() {
                "transactionid" => LockKind::Row,
                "tuple" => LockKind::Queue,
                "relation" => LockKind::Table,
                "advisory" => LockKind::Named,
                _ => LockKind::Other,
            },
            word: row.word,
            relation: row.relation,
            row: None,
            mode: row.mode,
            granted: row.granted,
            of_pid: row.of_pid,
        }
    }
}

/// Returns the locks of the sessions `pids`, without the lock that every transaction holds on
/// itself. MySQL lists its locks with the waits.
pub async fn locks<C: ConnectionTrait>(
    connection: &C,
    pids: &[i32],
) -> Result<Vec<SessionLock>, DbErr> {
    if Engine::of(connection) == Engine::MySql {
        return Ok(Vec::new());
    }
    let sql = "SELECT l.pid, l.locktype AS word, c.relname::text AS relation, l.mode, l.granted, \
                 (SELECT t.pid FROM pg_locks t WHERE t.locktype = 'transactionid' AND t.granted \
                    AND t.mode = 'ExclusiveLock' AND t.transactionid = l.transactionid) AS of_pid \
               FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation \
               WHERE l.pid = ANY (string_to_array($1, ',')::int[]) AND l.locktype <> 'virtualxid' \
                 AND NOT (l.locktype = 'transactionid' AND l.granted) \
               ORDER BY l.granted, l.locktype = 'relation', relation, l.mode, l.pid";
    let rows = LockRow::find_by_statement(dialect::statement(sql, [list(pids).into()]))
        .all(connection)
        .await?;
    Ok(rows.into_iter().map(SessionLock::from).collect())
}

#[derive(FromQueryResult)]
struct RowHolderRow {
    product_id: i64,
    pid: i32,
}

/// Returns which of the sessions `pids` hold the stock rows of `product_ids`. PostgreSQL stores a
/// row lock in the row itself, as the id of its transaction: `pg_locks` lists only the sessions
/// that wait for one. MariaDB shows only whether a row is locked; `claims` are the rows that the
/// open transactions have locked according to their own statements.
pub async fn row_holders(
    db: &Db,
    product_ids: &[i64],
    pids: &[i32],
    claims: &[RowHolder],
) -> Result<Vec<RowHolder>, DbErr> {
    if db.engine() == Engine::MySql {
        return innodb::row_holders(db.transactions(), product_ids, claims).await;
    }
    let sql = "SELECT s.product_id, l.pid FROM stock s \
               JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock' \
                 AND l.transactionid = s.xmax \
               WHERE s.product_id = ANY (string_to_array($1, ',')::bigint[]) \
                 AND l.pid = ANY (string_to_array($2, ',')::int[]) \
               ORDER BY s.product_id";
    let products: Vec<_> = product_ids.iter().map(ToString::to_string).collect();
    let values = [products.join(",").into(), list(pids).into()];
    let rows = RowHolderRow::find_by_statement(dialect::statement(sql, values))
        .all(db.reader())
        .await?;
    let holders = rows.into_iter().map(|row| RowHolder {
        product_id: row.product_id,
        pid: row.pid,
        is_exclusive: true,
    });
    Ok(holders.collect())
}

/// Terminates the sessions `pids`; their open transactions are rolled back.
pub async fn terminate<C: ConnectionTrait>(connection: &C, pids: &[i32]) -> Result<(), DbErr> {
    if Engine::of(connection) == Engine::MySql {
        let ids: Vec<i64> = pids.iter().copied().map(i64::from).collect();
        return mysql::sessions::end_by_id(connection, &ids).await;
    }
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
