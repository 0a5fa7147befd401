//! Reads which sessions hold which locks and which sessions wait for them. It needs the privilege
//! PROCESS.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, FromQueryResult, Statement};

use super::{
    sessions::{self, to_pid},
    waits::{self, AFTER_LAST_ROW, WaitRow, table_name},
};
use crate::model::{DbLock, DbSession};

/// Only MariaDB executes `/*M! … */`, only MySQL `/*!80000 … */`. Transactions are stamped in the
/// time zone of the system, in whole seconds.
const SESSIONS: &str = "\
SELECT CAST(p.ID AS SIGNED) AS id, CONCAT(@@hostname, ':', @@port) AS server, p.COMMAND AS command, COALESCE(p.STATE, '') AS activity, COALESCE(p.INFO, '') AS statement, \
  (/*M! p.TIME_MS */ /*!80000 p.TIME * 1000 */) + 0e0 AS statement_ms, \
  GREATEST(TIMESTAMPDIFF(MICROSECOND, t.trx_started, CONVERT_TZ(NOW(6), @@time_zone, 'SYSTEM')), 0) / 1e3 AS transaction_ms, \
  GREATEST(TIMESTAMPDIFF(MICROSECOND, t.trx_wait_started, CONVERT_TZ(NOW(6), @@time_zone, 'SYSTEM')), 0) / 1e3 AS waiting_ms \
FROM information_schema.PROCESSLIST p \
LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID \
WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() ORDER BY p.ID";

#[derive(Debug, FromQueryResult)]
struct SessionRow {
    id: i64,
    server: String,
    command: String,
    activity: String,
    statement: String,
    statement_ms: f64,
    /// `None` outside of a transaction.
    transaction_ms: Option<f64>,
    waiting_ms: Option<f64>,
}

/// Returns the sessions of this database that are selected, and the sessions for which they
/// wait, directly or through others; ordered by id. The server reads sessions and waits one after
/// the other, and refreshes its list of transactions ten times a second.
pub async fn sessions<C: ConnectionTrait>(
    connection: &C,
    is_selected: impl Fn(&DbSession) -> bool + Send,
) -> Result<Vec<DbSession>, DbErr> {
    let statement = Statement::from_string(DatabaseBackend::MySql, SESSIONS);
    let rows = SessionRow::find_by_statement(statement)
        .all(connection)
        .await?;
    let waits = waits::read(connection).await?.waits;
    let sessions: Vec<_> = rows.iter().map(|row| session(row, &waits)).collect();
    let by_pid: HashMap<i32, &DbSession> = sessions.iter().map(|one| (one.pid, one)).collect();
    let mut selected: Vec<i32> = sessions
        .iter()
        .filter(|session| is_selected(session))
        .map(|session| session.pid)
        .collect();
    let mut next = 0;
    while let Some(session) = selected.get(next).and_then(|pid| by_pid.get(pid)) {
        for blocker in &session.blocked_by {
            if by_pid.contains_key(blocker) && !selected.contains(blocker) {
                selected.push(*blocker);
            }
        }
        next += 1;
    }
    let mut sessions = sessions;
    sessions.retain(|session| selected.contains(&session.pid));
    Ok(sessions)
}

fn session(row: &SessionRow, waits: &[WaitRow]) -> DbSession {
    let own = || waits.iter().filter(|wait| wait.waiter == row.id);
    // The stamp of a wait has whole seconds; a statement waits no longer than it runs.
    let waiting_ms = row.waiting_ms.map(|ms| ms.min(row.statement_ms));
    let mut blocked_by: Vec<i32> = own().map(|wait| to_pid(wait.blocker)).collect();
    blocked_by.sort_unstable();
    blocked_by.dedup();
    let held = waits.iter().filter(|wait| wait.blocker == row.id);
    let mut locks: Vec<_> = own().take(1).map(|wait| lock(wait, waiting_ms)).collect();
    for wait in held {
        let lock = lock(wait, None);
        if !locks.contains(&lock) {
            locks.push(lock);
        }
    }
    let waits = !blocked_by.is_empty();
    DbSession {
        pid: to_pid(row.id),
        application: sessions::name_of(&row.server, row.id)
            .map_or_else(String::new, |name| name.to_string()),
        state: match (row.command.as_str(), row.transaction_ms) {
            ("Sleep", Some(_)) => "idle in transaction",
            ("Sleep", None) => "idle",
            _ => "active",
        }
        .to_owned(),
        statement: row.statement.clone(),
        statement_ms: Some(row.statement_ms),
        transaction_ms: row.transaction_ms,
        wait_kind: waits.then(|| "Lock".to_owned()),
        wait_event: waits.then(|| row.activity.clone()),
        waiting_ms: waiting_ms.filter(|_| waits),
        blocked_by,
        locks,
    }
}

/// The lock of a wait: one that is waited for, with the time, or one that is held.
fn lock(wait: &WaitRow, waiting_ms: Option<f64>) -> DbLock {
    let is_row = wait.lock_type.as_deref() != Some("TABLE");
    DbLock {
        kind: if is_row { "tuple" } else { "relation" }.to_owned(),
        mode: wait.lock_mode.clone().unwrap_or_default(),
        granted: waiting_ms.is_none(),
        relation: wait.locked_table.as_deref().map(table_name),
        object: wait.locked_row.as_deref().map(key_in_words),
        waiting_ms,
    }
}

/// The key of a row is shown if it is a number, or the end of the index. Another one may be
/// personal data: in an index of e-mail addresses, it is one of them.
fn key_in_words(key: &str) -> String {
    let is_number = |part: &str| part.trim().parse::<i64>().is_ok();
    if key == AFTER_LAST_ROW || key.split(',').all(is_number) {
        key.to_owned()
    } else {
        "?".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_and_its_holder_name_the_row() {
        let row = |id, command: &str, waiting_ms| SessionRow {
            id,
            server: "db1:3306".to_owned(),
            command: command.to_owned(),
            activity: "Statistics".to_owned(),
            statement: "SELECT 1".to_owned(),
            statement_ms: 3.0,
            transaction_ms: Some(5.0),
            waiting_ms,
        };
        let waits = [WaitRow {
            waiter: 8,
            blocker: 7,
            lock_type: Some("RECORD".to_owned()),
            lock_mode: Some("X".to_owned()),
            locked_table: Some("`shop`.`stock`".to_owned()),
            locked_index: Some("PRIMARY".to_owned()),
            locked_row: Some("20".to_owned()),
            held_mode: Some("X".to_owned()),
        }];
        let waiter = session(&row(8, "Query", Some(2.0)), &waits);
        assert_eq!((waiter.pid, waiter.blocked_by.as_slice()), (8, &[7][..]));
        let awaited = waiter.awaited_lock().map(DbLock::in_words);
        assert_eq!(awaited.as_deref(), Some("row 20 of stock"));
        for (key, expected) in [
            ("7, -3", "7, -3"),
            ("supremum pseudo-record", "supremum pseudo-record"),
            ("'ann@example.org', 7", "?"),
            ("0x0199E0A0", "?"),
        ] {
            assert_eq!(key_in_words(key), expected);
        }
        let holder = session(&row(7, "Sleep", None), &waits);
        assert_eq!(holder.state, "idle in transaction");
        assert!(!holder.waits() && holder.locks.iter().all(|lock| lock.granted));
    }
}
