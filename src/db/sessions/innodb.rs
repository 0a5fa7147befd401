//! The same for MySQL and MariaDB.

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement};

use super::{RowHolder, SessionLock, SessionWait, SessionWaits};
use crate::{
    db::{
        engine::mysql::{
            named_lock, row_locks,
            sessions::{self, to_pid},
            waits::{self, AFTER_LAST_ROW, WaitRow, table_name},
        },
        locks,
    },
    model::stepper::LockKind,
};

/// Returns the id of a connection's session.
pub async fn session_id(connection: &DatabaseConnection) -> Result<i32, DbErr> {
    let sql = "SELECT CAST(CONNECTION_ID() AS SIGNED)";
    let row = connection
        .query_one_raw(Statement::from_string(DatabaseBackend::MySql, sql))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("no row for the session's id".to_owned()))?;
    Ok(to_pid(row.try_get_by_index(0)?))
}

/// See [`super::session_waits`]. Without a new list of the server, no session counts as waiting.
pub async fn session_waits<C: ConnectionTrait>(
    connection: &C,
    pids: &[i32],
    product_ids: &[i64],
) -> Result<SessionWaits, DbErr> {
    let mut found = named_waits(connection, pids, product_ids).await?;
    let is_of_session = |id: i64| pids.contains(&to_pid(id));
    let Some(rows) = waits::now(connection).await? else {
        return Ok(found);
    };
    for row in &rows {
        let (waiter, blocker) = (to_pid(row.waiter), to_pid(row.blocker));
        if is_of_session(row.waiter) {
            match found.waits.iter_mut().find(|wait| wait.pid == waiter) {
                Some(wait) => wait.blocked_by.push(blocker),
                None => {
                    found.waits.push(SessionWait {
                        pid: waiter,
                        blocked_by: vec![blocker],
                        waited_ms: 0,
                        is_of_session: false,
                    });
                    found.locks.push(requested(row));
                }
            }
        }
        let held = held(row);
        if is_of_session(row.blocker) && !found.locks.contains(&held) {
            found.locks.push(held);
        }
    }
    found.locks.sort_by_key(|lock| lock.granted);
    Ok(found)
}

/// Returns the sessions that wait for the named lock of a product. The server shows who waits for
/// any such lock, and who holds a certain one.
async fn named_waits<C: ConnectionTrait>(
    connection: &C,
    pids: &[i32],
    product_ids: &[i64],
) -> Result<SessionWaits, DbErr> {
    let mut found = SessionWaits::default();
    let mut waiting = sessions::waiting_for_named_locks(connection).await?;
    waiting.retain(|id| pids.contains(&to_pid(*id)));
    if waiting.is_empty() {
        return Ok(found);
    }
    let mut holders = Vec::new();
    for id in product_ids {
        let name = named_lock::of_class(locks::ADVISORY_STOCK, *id);
        holders.extend(named_lock::holder(connection, &name).await?.map(to_pid));
    }
    let lock = |pid, granted| SessionLock {
        pid,
        kind: LockKind::Named,
        word: "named".to_owned(),
        relation: None,
        row: None,
        mode: "GET_LOCK".to_owned(),
        granted,
        of_pid: None,
    };
    for pid in waiting.into_iter().map(to_pid) {
        found.waits.push(SessionWait {
            pid,
            blocked_by: holders.clone(),
            waited_ms: 0,
            is_of_session: true,
        });
        found.locks.push(lock(pid, false));
    }
    let held = holders.iter().filter(|holder| pids.contains(holder));
    found.locks.extend(held.map(|holder| lock(*holder, true)));
    Ok(found)
}

fn requested(row: &WaitRow) -> SessionLock {
    lock(row, row.waiter, row.lock_mode.as_deref(), false)
}

fn held(row: &WaitRow) -> SessionLock {
    lock(row, row.blocker, row.held_mode.as_deref(), true)
}

fn lock(row: &WaitRow, session: i64, mode: Option<&str>, granted: bool) -> SessionLock {
    let mode = mode.unwrap_or_default();
    let is_gap = (mode.contains("GAP") && !mode.contains("NOT_GAP"))
        || mode.contains("INSERT")
        || row.locked_row.as_deref() == Some(AFTER_LAST_ROW);
    let (kind, word) = match row.lock_type.as_deref() {
        Some("TABLE") => (LockKind::Table, "table"),
        _ if is_gap => (LockKind::Row, "gap"),
        _ => (LockKind::Row, "record"),
    };
    SessionLock {
        pid: to_pid(session),
        kind,
        word: word.to_owned(),
        relation: row.locked_table.as_deref().map(table_name),
        row: row.locked_row.clone(),
        mode: mode.to_owned(),
        granted,
        of_pid: None,
    }
}

/// Returns those of `claims` that a probe of the rows confirms.
pub async fn row_holders(
    connection: &DatabaseConnection,
    product_ids: &[i64],
    claims: &[RowHolder],
) -> Result<Vec<RowHolder>, DbErr> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let locked = row_locks::of_products(connection, product_ids).await?;
    let is_confirmed = |claim: &&RowHolder| {
        let rows = match claim.is_exclusive {
            true => &locked.exclusively,
            false => &locked.shared,
        };
        rows.contains(&claim.product_id)
    };
    Ok(claims.iter().filter(is_confirmed).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_gaps_have_different_words() {
        let row = |lock_mode: &str, held_mode: &str| WaitRow {
            waiter: 8,
            blocker: 7,
            lock_type: Some("RECORD".to_owned()),
            lock_mode: Some(lock_mode.to_owned()),
            locked_table: Some("`shop`.`hold`".to_owned()),
            locked_index: Some("hold_cart_id".to_owned()),
            locked_row: Some("0x01, 1".to_owned()),
            held_mode: Some(held_mode.to_owned()),
        };
        for (mode, word) in [
            ("X", "record"),
            ("X,REC_NOT_GAP", "record"),
            ("S", "record"),
            ("X,GAP", "gap"),
            ("X,GAP,INSERT_INTENTION", "gap"),
            ("X,INSERT_INTENTION", "gap"),
        ] {
            let wait = row(mode, mode);
            assert_eq!(requested(&wait).word, word, "{mode}");
            assert_eq!((held(&wait).pid, held(&wait).granted), (7, true));
        }
        let at_end = WaitRow {
            locked_row: Some(AFTER_LAST_ROW.to_owned()),
            ..row("X", "X")
        };
        assert_eq!(requested(&at_end).word, "gap");
    }
}
