//! Named locks. They belong to a session: a lock that is taken in a transaction is released when
//! the connection returns to its pool, which is after the transaction has ended.
//!
//! A name is valid in the whole server, so it contains the name of the database. In a cluster, it
//! is valid on one node.

use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};

/// Whether this process has taken such a lock: until then, no connection has one to release.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// The text of the error after a lock could not be taken in time.
pub const TIMED_OUT: &str = "a named lock was not free in time";

/// The SQL of a name; the parameter is the part that distinguishes it from the other locks of the
/// database. A name may have 64 characters.
macro_rules! name {
    () => {
        "CONCAT('doorbuster ', SHA1(CONCAT(DATABASE(), '/', ?)))"
    };
}

/// The name of a lock that is known by a number.
pub fn of_key(key: i64) -> String {
    key.to_string()
}

/// The name of a lock of a class.
pub fn of_class(class: i32, id: i64) -> String {
    format!("{class}/{id}")
}

/// Takes a lock that is free: 1, or 0 if another session holds it.
pub const TRY: &str = concat!("SELECT GET_LOCK(", name!(), ", 0)");
/// Waits for a lock as long as for a row lock.
const TAKE: &str = concat!("SELECT GET_LOCK(", name!(), ", @@innodb_lock_wait_timeout)");
/// Waits for a lock for as long as it takes.
pub const TAKE_PATIENTLY: &str = concat!("SELECT GET_LOCK(", name!(), ", 31536000)");
/// The session that holds a lock.
const HOLDER: &str = concat!("SELECT CAST(IS_USED_LOCK(", name!(), ") AS SIGNED)");
pub const RELEASE: &str = concat!("SELECT RELEASE_LOCK(", name!(), ")");

/// True if a connection may have locks to release.
pub fn is_used() -> bool {
    IS_USED.load(Ordering::Relaxed)
}

/// Waits for the lock `name`, as long as for a row lock, in a transaction.
///
/// # Errors
/// `DbErr::Custom` with [`TIMED_OUT`].
pub async fn take<C: ConnectionTrait>(connection: &C, name: &str) -> Result<(), DbErr> {
    IS_USED.store(true, Ordering::Relaxed);
    match run(connection, TAKE, name).await? {
        Some(1) => Ok(()),
        _ => Err(DbErr::Custom(TIMED_OUT.to_owned())),
    }
}

/// Takes the lock `name` in a transaction, unless another session holds it.
pub async fn try_take<C: ConnectionTrait>(connection: &C, name: &str) -> Result<bool, DbErr> {
    IS_USED.store(true, Ordering::Relaxed);
    Ok(run(connection, TRY, name).await? == Some(1))
}

/// Waits for the lock `name` for as long as it takes.
pub async fn take_patiently<C: ConnectionTrait>(connection: &C, name: &str) -> Result<(), DbErr> {
    run(connection, TAKE_PATIENTLY, name).await.map(drop)
}

/// Releases the lock `name`.
pub async fn release<C: ConnectionTrait>(connection: &C, name: &str) -> Result<(), DbErr> {
    run(connection, RELEASE, name).await.map(drop)
}

/// Returns the session that holds the lock `name`.
pub async fn holder<C: ConnectionTrait>(connection: &C, name: &str) -> Result<Option<i64>, DbErr> {
    run(connection, HOLDER, name).await
}

async fn run<C: ConnectionTrait>(
    connection: &C,
    sql: &'static str,
    name: &str,
) -> Result<Option<i64>, DbErr> {
    let statement = Statement::from_sql_and_values(DatabaseBackend::MySql, sql, [name.into()]);
    let row = connection.query_one_raw(statement).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}
