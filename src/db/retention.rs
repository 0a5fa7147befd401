//! Deletes expired rows in small batches with pauses: deleting a million rows neither blocks sales
//! nor takes one long transaction, and continues in the next round where it was interrupted.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbErr, Value};

use super::{
    Db, dialect, locks,
    txn::{self, Policy, TxnError},
};

/// Maximum number of rows that one transaction deletes, apart from the rows that refer to them.
pub const BATCH_ROWS: usize = 1_000;
/// Pause after a full batch.
pub const PAUSE: Duration = Duration::from_millis(100);
/// Maximum number of rows that one query finds. Rows that were deleted remain in the table until
/// PostgreSQL removes them, and a query for each batch would read all of them again.
const FOUND_AT_ONCE: usize = 20 * BATCH_ROWS;
/// A larger number of expired rows is not counted exactly.
pub const COUNTED_MAX: u64 = 1_000_000;

/// Rows of one table that are deleted when they are too old.
#[derive(Clone, Copy, Debug)]
pub struct ExpiredRows {
    /// The name of the rows on pages and in logs, in the plural.
    pub name: &'static str,
    /// Selects the ids of the expired rows as text. `$1` is `age`.
    pub select: &'static str,
    /// Deletes those of the ids `$1` (`text[]`) that are still expired. `$2` is `age`.
    pub delete: &'static str,
    /// In the unit by which the statements multiply it.
    pub age: u32,
}

/// The result of a deletion that may take only a limited time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The deleted rows.
    pub count: u64,
    /// False if expired rows may be left.
    pub is_complete: bool,
}

/// Deletes expired rows, for at most the time `within`.
///
/// # Errors
/// [`TxnError`] of the batch that failed; the batches before it are committed.
pub async fn delete(db: &Db, rows: &ExpiredRows, within: Duration) -> Result<Deleted, TxnError> {
    let started = Instant::now();
    let mut deleted = Deleted::default();
    loop {
        let ids = find(db, rows).await.map_err(|source| TxnError::Database {
            name: "find expired rows",
            source,
        })?;
        for batch in ids.chunks(BATCH_ROWS) {
            if started.elapsed() >= within {
                return Ok(deleted);
            }
            deleted.count += delete_batch(db, *rows, batch.to_vec()).await?;
            if batch.len() == BATCH_ROWS {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if ids.len() < FOUND_AT_ONCE {
            deleted.is_complete = true;
            return Ok(deleted);
        }
    }
}

async fn find(db: &Db, rows: &ExpiredRows) -> Result<Vec<String>, DbErr> {
    let sql = format!("{} LIMIT {FOUND_AT_ONCE}", rows.select);
    let found = dialect::statement(&sql, [f64::from(rows.age).into()]);
    let found = db.reader().query_all_raw(found).await?;
    found.iter().map(|row| row.try_get_by_index(0)).collect()
}

async fn delete_batch(db: &Db, rows: ExpiredRows, ids: Vec<String>) -> Result<u64, TxnError> {
    txn::run_for_result(db, Policy::request("delete expired rows"), move |work| {
        let ids = ids.clone();
        Box::pin(async move {
            locks::retention(work).await?;
            let values: [Value; 2] = [ids.into(), f64::from(rows.age).into()];
            let delete = dialect::statement(rows.delete, values);
            let done = work.connection().execute_raw(delete).await?;
            Ok(done.rows_affected())
        })
    })
    .await
}

/// Counts the expired rows, up to [`COUNTED_MAX`].
pub async fn count(db: &Db, rows: &ExpiredRows) -> Result<u64, DbErr> {
    let sql = format!(
        "SELECT count(*) FROM ({} LIMIT {COUNTED_MAX}) AS expired",
        rows.select
    );
    let query = dialect::statement(&sql, [f64::from(rows.age).into()]);
    let row = db.reader().query_one_raw(query).await?;
    let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(count.unwrap_or_default().unsigned_abs())
}
