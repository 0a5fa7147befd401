//! Reads who waits for whose row lock. It needs the privilege PROCESS.
//!
//! MariaDB refreshes its lists of transactions and locks only when they are read, and only if
//! nothing has read them for a tenth of a second. So a list may be old, and one that is read too
//! often stays old. Each read here says whether its list is new: its own transaction, with a text
//! that no other statement has, must be in it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, FromQueryResult, Statement};
use tokio::sync::Mutex;

/// A little longer than the time after which MariaDB refreshes its lists.
const REFRESHED_AFTER: Duration = Duration::from_millis(105);
/// The upper limit of the first additional pause after an old list. It doubles with each further
/// one: other processes may read the lists as often.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// How often a new list is asked for.
const ATTEMPTS_MAX: u32 = 6;

/// The key of the gap after the last row.
pub const AFTER_LAST_ROW: &str = "supremum pseudo-record";

/// When this process has last read the lists. It keeps the reads of the process apart.
static LAST_READ: Mutex<Option<Instant>> = Mutex::const_new(None);
/// The number of the next mark.
static MARKS: AtomicU64 = AtomicU64::new(0);

/// One pair of a waiting session and a session that it waits for.
#[derive(Clone, Debug, FromQueryResult)]
pub struct WaitRow {
    pub waiter: i64,
    pub blocker: i64,
    /// The lock that is requested: `RECORD` or `TABLE`.
    pub lock_type: Option<String>,
    pub lock_mode: Option<String>,
    pub locked_table: Option<String>,
    pub locked_index: Option<String>,
    /// The key of the row, or of the row after the gap.
    pub locked_row: Option<String>,
    /// The mode of the lock that blocks it.
    pub held_mode: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct MarkRow {
    /// 1 for the row of this read itself.
    is_mark: i64,
    /// `None` in the row of this read.
    blocker: Option<i64>,
}

/// The waits of all sessions, in a list that may be old.
#[derive(Debug)]
pub struct WaitList {
    pub waits: Vec<WaitRow>,
    pub is_new: bool,
}

/// Reads the list as it is.
pub async fn read<C: ConnectionTrait>(connection: &C) -> Result<WaitList, DbErr> {
    let mark = MARKS.fetch_add(1, Ordering::Relaxed);
    let rows = connection.query_all_raw(statement(mark)).await?;
    let mut list = WaitList {
        waits: Vec::with_capacity(rows.len()),
        is_new: false,
    };
    for row in &rows {
        let mark = MarkRow::from_query_result(row, "")?;
        list.is_new |= mark.is_mark == 1;
        if mark.blocker.is_some() {
            list.waits.push(WaitRow::from_query_result(row, "")?);
        }
    }
    Ok(list)
}

/// Returns the waits at a time after this call; `None` if others read the lists all the time.
pub async fn now<C: ConnectionTrait>(connection: &C) -> Result<Option<Vec<WaitRow>>, DbErr> {
    let mut last_read = LAST_READ.lock().await;
    for attempt in 0..ATTEMPTS_MAX {
        let pause = match attempt {
            0 => Duration::ZERO,
            retry => PAUSE_FIRST.mul_f64(f64::from(1_u32 << (retry - 1)) * rand::random::<f64>()),
        };
        if let Some(last_read) = *last_read {
            tokio::time::sleep((REFRESHED_AFTER + pause).saturating_sub(last_read.elapsed())).await;
        }
        let list = read(connection).await;
        *last_read = Some(Instant::now());
        let list = list?;
        if list.is_new {
            return Ok(Some(list.waits));
        }
    }
    Ok(None)
}

/// Only MariaDB executes `/*M! … */`, only MySQL `/*!80000 … */`, whose lists are never old. The
/// locking read of no row begins a transaction, which MariaDB then lists with the text of this
/// statement.
fn statement(mark: u64) -> Statement {
    let sql = format!(
        "/*M! SELECT CAST({mark} AS SIGNED) AS mark, \
           CAST(COALESCE(r.trx_mysql_thread_id = CONNECTION_ID() \
             AND r.trx_query LIKE '%SELECT CAST({mark} AS SIGNED) AS mark%', 0) AS SIGNED) AS is_mark, \
           CAST(r.trx_mysql_thread_id AS SIGNED) AS waiter, CAST(b.trx_mysql_thread_id AS SIGNED) AS blocker, \
           l.lock_type AS lock_type, l.lock_mode AS lock_mode, l.lock_table AS locked_table, \
           l.lock_index AS locked_index, l.lock_data AS locked_row, h.lock_mode AS held_mode \
         FROM (SELECT COUNT(*) AS found FROM stock WHERE product_id = 0 LOCK IN SHARE MODE) own \
         STRAIGHT_JOIN information_schema.INNODB_TRX r \
         LEFT JOIN information_schema.INNODB_LOCK_WAITS w ON w.requesting_trx_id = r.trx_id \
         LEFT JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id \
         LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id \
         LEFT JOIN information_schema.INNODB_LOCKS h ON h.lock_id = w.blocking_lock_id \
         WHERE own.found = 0 AND (b.trx_id IS NOT NULL OR r.trx_mysql_thread_id = CONNECTION_ID()) */ \
         /*!80000 SELECT CAST(1 AS SIGNED) AS is_mark, CAST(CONNECTION_ID() AS SIGNED) AS waiter, \
           CAST(NULL AS SIGNED) AS blocker, NULL AS lock_type, NULL AS lock_mode, NULL AS locked_table, \
           NULL AS locked_index, NULL AS locked_row, NULL AS held_mode \
         UNION ALL \
         SELECT CAST(0 AS SIGNED), CAST(r.PROCESSLIST_ID AS SIGNED), CAST(b.PROCESSLIST_ID AS SIGNED), \
           l.LOCK_TYPE, l.LOCK_MODE, l.OBJECT_NAME, l.INDEX_NAME, l.LOCK_DATA, h.LOCK_MODE \
         FROM performance_schema.data_lock_waits w \
         JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID \
         JOIN performance_schema.threads b ON b.THREAD_ID = w.BLOCKING_THREAD_ID \
         LEFT JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID \
         LEFT JOIN performance_schema.data_locks h ON h.ENGINE_LOCK_ID = w.BLOCKING_ENGINE_LOCK_ID */"
    );
    Statement::from_string(DatabaseBackend::MySql, sql)
}

/// The name of a table without its database and quotes: `` `shop`.`stock` `` is `stock`.
pub fn table_name(table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table);
    name.trim_matches('`').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{statement, table_name};

    #[test]
    fn each_read_has_a_text_of_its_own() {
        assert_ne!(statement(1).sql, statement(2).sql);
    }

    #[test]
    fn a_table_is_named_without_its_database() {
        assert_eq!(table_name("`shop`.`stock`"), "stock");
        assert_eq!(table_name("stock"), "stock");
    }
}
