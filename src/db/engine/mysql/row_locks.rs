//! Whether rows are locked. MariaDB lists a lock only while a session waits for it, so a row is
//! probed: a locking read that skips locked rows returns the others, and releases them at once.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};

/// The stock rows that are locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockedRows {
    /// No other session may lock them.
    pub exclusively: Vec<i64>,
    /// Others may read them with a lock, and may not write them.
    pub shared: Vec<i64>,
}

/// Probes the stock rows of `product_ids`. The connection must be allowed to write.
pub async fn of_products<C: ConnectionTrait>(
    connection: &C,
    product_ids: &[i64],
) -> Result<LockedRows, DbErr> {
    let not_exclusive = unlocked(connection, product_ids, SHARED).await?;
    let free = unlocked(connection, product_ids, "FOR UPDATE").await?;
    let mut locked = LockedRows::default();
    for id in product_ids {
        if !not_exclusive.contains(id) {
            locked.exclusively.push(*id);
        } else if !free.contains(id) {
            locked.shared.push(*id);
        }
    }
    Ok(locked)
}

/// A locking read that others may do too, in the words of MariaDB and of MySQL.
const SHARED: &str = "/*M! LOCK IN SHARE MODE */ /*!80000 FOR SHARE */";

async fn unlocked<C: ConnectionTrait>(
    connection: &C,
    product_ids: &[i64],
    lock: &str,
) -> Result<Vec<i64>, DbErr> {
    let marks = vec!["?"; product_ids.len()].join(", ");
    let sql =
        format!("SELECT product_id FROM stock WHERE product_id IN ({marks}) {lock} SKIP LOCKED");
    let values = product_ids.iter().map(|id| (*id).into());
    let statement = Statement::from_sql_and_values(DatabaseBackend::MySql, sql, values);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
