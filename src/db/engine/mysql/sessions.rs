//! The sessions of the server.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, Statement,
    sqlx::{self, Executor, MySqlConnection, Row},
};

use crate::db::engine;

/// The names of the sessions that this process has opened. The server stores no name of a session,
/// so those of another process have none here; they end with their process.
static NAMES: Mutex<BTreeMap<i64, Arc<str>>> = Mutex::new(BTreeMap::new());

fn names() -> MutexGuard<'static, BTreeMap<i64, Arc<str>>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records the name of a session of this process.
///
/// # Errors
/// The error of the driver.
pub async fn register_own(
    connection: &mut MySqlConnection,
    name: Arc<str>,
) -> Result<(), sqlx::Error> {
    // A cluster's node that is not synced prepares no statement: the pool would open connections to
    // it in vain for as long as it may wait, instead of failing at once.
    let row = connection.fetch_one("SELECT CAST(CONNECTION_ID() AS SIGNED)");
    let row = row.await?;
    names().insert(row.try_get(0)?, name);
    Ok(())
}

/// Returns the name of a session, if this process has opened it.
pub fn name_of(id: i64) -> Option<Arc<str>> {
    names().get(&id).map(Arc::clone)
}

/// Terminates the sessions of this process whose name fulfils `is_meant`. Returns how many there
/// were. A session ends a moment later.
pub async fn end<C: ConnectionTrait>(
    connection: &C,
    is_meant: impl Fn(&str) -> bool + Send,
) -> Result<usize, DbErr> {
    let open = open_sessions(connection).await?;
    let meant: Vec<i64> = {
        let mut names = names();
        names.retain(|id, _| open.contains(id));
        let meant = names.iter().filter(|(_, name)| is_meant(name));
        meant.map(|(id, _)| *id).collect()
    };
    end_by_id(connection, &meant).await?;
    Ok(meant.len())
}

/// Terminates the sessions `ids`. A session ends a moment later.
pub async fn end_by_id<C: ConnectionTrait>(connection: &C, ids: &[i64]) -> Result<(), DbErr> {
    for id in ids {
        match connection.execute_unprepared(&format!("KILL {id}")).await {
            Ok(_) => {}
            // The session has ended in the meantime.
            Err(error) if engine::error_code(&error).as_deref() == Some("1094") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The number of a session, as other engines number processes.
pub fn to_pid(id: i64) -> i32 {
    i32::try_from(id).unwrap_or(i32::MAX)
}

/// Returns the ids of the sessions that this user may see: at least the user's own.
async fn open_sessions<C: ConnectionTrait>(connection: &C) -> Result<Vec<i64>, DbErr> {
    let sql = "SELECT CAST(ID AS SIGNED) FROM information_schema.PROCESSLIST";
    ids(connection, sql).await
}

/// Returns the ids of the sessions that wait for a named lock.
pub async fn waiting_for_named_locks<C: ConnectionTrait>(
    connection: &C,
) -> Result<Vec<i64>, DbErr> {
    let sql =
        "SELECT CAST(ID AS SIGNED) FROM information_schema.PROCESSLIST WHERE STATE = 'User lock'";
    ids(connection, sql).await
}

async fn ids<C: ConnectionTrait>(connection: &C, sql: &str) -> Result<Vec<i64>, DbErr> {
    let statement = Statement::from_string(DatabaseBackend::MySql, sql);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
