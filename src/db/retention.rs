//! Deletes expired rows, or empties a column of them, in small batches with pauses: deleting a
//! million rows neither blocks sales nor takes one long transaction, and continues in the next
//! round where it was interrupted.

use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DbErr, QueryResult, TryGetable,
    sea_query::{
        DeleteStatement, Expr, ExprTrait, Query, SelectStatement, SimpleExpr, UpdateStatement,
    },
};
use time::OffsetDateTime;

use super::{
    Db, dialect, locks, row_count,
    txn::{self, Policy, TxnError},
};

/// Maximum number of rows that one transaction deletes, apart from the rows that refer to them.
///
/// A purchase that comes while a batch is deleted waits for the processor and for the disk.
/// Deleting 250 keys takes about 10 ms on two cores, which is less than a purchase takes under
/// load; with 1,000 keys in a batch, the slowest hundredth of the purchases took nine times as
/// long.
pub const BATCH_ROWS: usize = 250;
/// The pause after a full batch, as a multiple of the time that the batch took: the deletion works
/// for a fifth of the time.
const PAUSES: u32 = 4;
/// The longest pause. A million rows are 4,000 batches. If each of them takes 30 ms, on a slow
/// machine, they are deleted within 7 minutes of work, and within 8 with the pauses between rounds.
const PAUSE_MAX: Duration = Duration::from_millis(70);
/// Maximum number of rows that one query finds. Rows that were deleted remain in the table until
/// PostgreSQL removes them, and a query for each batch would read all of them again.
const FOUND_AT_ONCE: usize = 80 * BATCH_ROWS;
/// A larger number of expired rows is not counted exactly.
pub const COUNTED_MAX: u64 = 1_000_000;

/// Rows of one table that are deleted, or of which a column is emptied, when they are too old.
#[derive(Clone, Copy, Debug)]
pub struct ExpiredRows {
    /// The name of the rows on pages and in logs, in the plural.
    pub name: &'static str,
    /// The table, which has one column as its primary key.
    pub table: &'static str,
    /// The primary key.
    pub key: &'static str,
    /// The column that is emptied; `None` if the whole row is deleted.
    pub emptied_column: Option<&'static str>,
    /// Reads the key from the first column of a row, as an expression to compare the key with.
    pub read_key: fn(&QueryResult) -> Result<SimpleExpr, DbErr>,
    /// The condition that a row has expired at a time, if the second argument is `age`.
    pub is_expired: fn(OffsetDateTime, time::Duration) -> SimpleExpr,
    /// The age at which rows expire.
    pub age: time::Duration,
}

impl ExpiredRows {
    fn expired_at(&self, now: OffsetDateTime) -> SimpleExpr {
        (self.is_expired)(now, self.age)
    }

    /// Selects the keys of at most `max` rows that had expired at `now`.
    fn select(&self, now: OffsetDateTime, max: u64) -> SelectStatement {
        Query::select()
            .column((self.table, self.key))
            .from(self.table)
            .and_where(self.expired_at(now))
            .limit(max)
            .to_owned()
    }

    /// Deletes those of the rows with these keys that had expired at `now` and were not changed
    /// since.
    ///
    /// A list of another length is another prepared statement. Here that does not matter: all
    /// batches but the last of a round have the same length.
    fn delete(&self, now: OffsetDateTime, keys: Vec<SimpleExpr>) -> DeleteStatement {
        Query::delete()
            .from_table(self.table)
            .and_where(Expr::col((self.table, self.key)).is_in(keys))
            .and_where(self.expired_at(now))
            .to_owned()
    }

    /// Empties `column` of the same rows.
    fn empty(
        &self,
        column: &'static str,
        now: OffsetDateTime,
        keys: Vec<SimpleExpr>,
    ) -> UpdateStatement {
        Query::update()
            .table(self.table)
            .value(column, Expr::value(None::<String>))
            .and_where(Expr::col((self.table, self.key)).is_in(keys))
            .and_where(self.expired_at(now))
            .to_owned()
    }
}

/// Reads a text or a UUID for [`ExpiredRows::read_key`].
pub fn read_key<K: TryGetable + Into<SimpleExpr>>(row: &QueryResult) -> Result<SimpleExpr, DbErr> {
    row.try_get_by_index::<K>(0).map(Into::into)
}

/// The result of a deletion that may take only a limited time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The rows that were deleted, or whose column was emptied.
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
        let found = find(db, rows).await.map_err(|source| TxnError::Database {
            name: "find expired rows",
            source,
        })?;
        for batch in found.keys.chunks(BATCH_ROWS) {
            if started.elapsed() >= within {
                return Ok(deleted);
            }
            let batch_started = Instant::now();
            deleted.count += delete_batch(db, *rows, found.at, batch).await?;
            if batch.len() == BATCH_ROWS {
                pause_after(batch_started.elapsed()).await;
            }
        }
        if found.keys.len() < FOUND_AT_ONCE {
            deleted.is_complete = true;
            return Ok(deleted);
        }
    }
}

/// Pauses after a batch that took `took`, so that sales hardly notice the deletion.
pub async fn pause_after(took: Duration) {
    tokio::time::sleep(pause(took)).await;
}

fn pause(took: Duration) -> Duration {
    took.saturating_mul(PAUSES).min(PAUSE_MAX)
}

/// The keys of rows that had expired.
struct Found {
    /// By the database's clock.
    at: OffsetDateTime,
    keys: Vec<SimpleExpr>,
}

async fn find(db: &Db, rows: &ExpiredRows) -> Result<Found, DbErr> {
    let at = dialect::now(db.reader()).await?;
    let select = rows.select(at, FOUND_AT_ONCE as u64);
    let found = db.reader().query_all(&select).await?;
    let keys = found
        .iter()
        .map(rows.read_key)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Found { at, keys })
}

/// Runs one batch. Its rows are compared with the time at which they were found, which is earlier
/// than that of this transaction: a row that was changed since is not deleted.
async fn delete_batch(
    db: &Db,
    rows: ExpiredRows,
    now: OffsetDateTime,
    keys: &[SimpleExpr],
) -> Result<u64, TxnError> {
    let keys = keys.to_vec();
    txn::run_for_result(db, Policy::request("delete expired rows"), move |work| {
        let keys = keys.clone();
        Box::pin(async move {
            locks::retention(work).await?;
            let connection = work.connection();
            let done = match rows.emptied_column {
                Some(column) => connection.execute(&rows.empty(column, now, keys)).await?,
                None => connection.execute(&rows.delete(now, keys)).await?,
            };
            Ok(done.rows_affected())
        })
    })
    .await
}

/// Counts the expired rows, up to [`COUNTED_MAX`].
pub async fn count(db: &Db, rows: &ExpiredRows) -> Result<u64, DbErr> {
    let now = dialect::now(db.reader()).await?;
    row_count::of(db.reader(), rows.select(now, COUNTED_MAX)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_follows_the_time_of_the_batch() {
        for (took_ms, pause_ms) in [(0, 0), (5, 20), (10, 40), (17, 68), (30, 70), (60_000, 70)] {
            assert_eq!(
                pause(Duration::from_millis(took_ms)),
                Duration::from_millis(pause_ms),
                "{took_ms}"
            );
        }
    }

    /// Ten minutes are allowed. Between two rounds of a minute, ten seconds pass.
    #[test]
    fn a_million_rows_are_gone_within_eight_minutes_on_a_slow_machine() {
        let took = Duration::from_millis(30);
        let batches = u32::try_from(1_000_000 / BATCH_ROWS).expect("a small number");
        let work = batches * (took + pause(took));
        let between_rounds = Duration::from_secs(10 * (work.as_secs() / 60));
        let in_all = work + between_rounds;
        assert!(in_all <= Duration::from_secs(480), "{in_all:?}");
    }
}
