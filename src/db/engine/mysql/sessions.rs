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

/// A session that this process has opened.
#[derive(Debug)]
struct OwnSession {
    name: Arc<str>,
    /// The client's address and port, as the server shows them. After a restart of the server, its
    /// ids begin again, and another process may have this one's.
    client: String,
}

/// The server of a session, and its id there: the nodes of a cluster give the same ids.
type SessionId = (String, i64);

/// The sessions that this process has opened. The server stores no name of a session, so those of
/// another process have none here; they end with their process.
static OWN: Mutex<BTreeMap<SessionId, OwnSession>> = Mutex::new(BTreeMap::new());

fn own() -> MutexGuard<'static, BTreeMap<SessionId, OwnSession>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
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
    let row = connection.fetch_one(
        "SELECT CAST(ID AS SIGNED), CAST(HOST AS CHAR), CONCAT(@@hostname, ':', @@port) \
         FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()",
    );
    let row = row.await?;
    let (id, client) = ((row.try_get(2)?, row.try_get(0)?), row.try_get(1)?);
    own().insert(id, OwnSession { name, client });
    Ok(())
}

/// Returns the name of a session of `server`, such as `db1:3306`, if this process has opened it.
pub fn name_of(server: &str, id: i64) -> Option<Arc<str>> {
    own()
        .get(&(server.to_owned(), id))
        .map(|session| Arc::clone(&session.name))
}

/// Terminates the sessions of this process on the server of `connection` whose name fulfils
/// `is_meant`. Returns how many there were. A session ends a moment later.
pub async fn end<C: ConnectionTrait>(
    connection: &C,
    is_meant: impl Fn(&str) -> bool + Send,
) -> Result<usize, DbErr> {
    let (server, open) = (
        server_of(connection).await?,
        open_sessions(connection).await?,
    );
    let meant: Vec<i64> = {
        let mut own = own();
        own.retain(|(of, id), session| *of != server || open.get(id) == Some(&session.client));
        let here = own.iter().filter(|((of, _), _)| *of == server);
        let meant = here.filter(|(_, session)| is_meant(&session.name));
        meant.map(|((_, id), _)| *id).collect()
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

/// Returns the host and the port of a server, as in [`name_of`].
pub async fn server_of<C: ConnectionTrait>(connection: &C) -> Result<String, DbErr> {
    let sql = "SELECT CONCAT(@@hostname, ':', @@port)";
    let statement = Statement::from_string(DatabaseBackend::MySql, sql);
    let row = connection.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("no row for the server".to_owned()))?;
    row.try_get_by_index(0)
}

/// Returns the ids and the clients of the sessions that this user may see: at least the user's own.
async fn open_sessions<C: ConnectionTrait>(connection: &C) -> Result<BTreeMap<i64, String>, DbErr> {
    let sql = "SELECT CAST(ID AS SIGNED), CAST(HOST AS CHAR) FROM information_schema.PROCESSLIST";
    let statement = Statement::from_string(DatabaseBackend::MySql, sql);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
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
