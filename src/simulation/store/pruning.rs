//! Deletes old runs with everything that belongs to them: a run can have a million orders, so it is
//! deleted in batches, each in its own transaction.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::lessons;
use crate::db::{
    Db, dialect, locks,
    retention::{BATCH_ROWS, Deleted, PAUSE},
    txn::{self, Policy, TxnError},
};

/// Runs older than this are deleted with their lanes.
pub const RUNS_KEPT_DAYS: u32 = 30;

/// Selects the old runs, oldest first: ids (UUIDv7) are ordered by time.
const OLD_RUNS: &str = "SELECT id FROM simulation_run \
                        WHERE started_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 day' ORDER BY id";
/// Selects the lanes of the run `$1`.
const LANES: &str = "SELECT l.id FROM simulation_lane l WHERE l.run_id = $1";
/// Selects the private products of the run `$1`.
const PRODUCTS: &str =
    "SELECT p.id FROM product p JOIN simulation_lane l ON l.id = p.lane_id WHERE l.run_id = $1";

/// Deletes runs older than [`RUNS_KEPT_DAYS`], for at most the time `within`, with their private
/// products and the orders of those products. A run that is only partly deleted then is continued
/// by the next call.
///
/// # Errors
/// [`TxnError`] of the batch that failed; the batches before it are committed.
pub async fn prune(db: &Db, within: Duration) -> Result<Deleted, TxnError> {
    let started = Instant::now();
    let mut deleted = Deleted::default();
    loop {
        let oldest = oldest(db).await.map_err(|source| TxnError::Database {
            name: "find old simulations",
            source,
        })?;
        let Some(run) = oldest else {
            deleted.is_complete = true;
            return Ok(deleted);
        };
        for step in steps() {
            if !finish_step(db, run, &step, started + within).await? {
                return Ok(deleted);
            }
        }
        deleted.count += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Counts the runs that are to be deleted.
pub async fn count_old(db: &Db) -> Result<u64, DbErr> {
    let sql = format!("SELECT count(*) FROM ({OLD_RUNS}) AS old");
    let query = dialect::statement(&sql, [f64::from(RUNS_KEPT_DAYS).into()]);
    let row = db.reader().query_one_raw(query).await?;
    let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

async fn oldest(db: &Db) -> Result<Option<Uuid>, DbErr> {
    let sql = format!("{OLD_RUNS} LIMIT 1");
    let query = dialect::statement(&sql, [f64::from(RUNS_KEPT_DAYS).into()]);
    let row = db.reader().query_one_raw(query).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// Statements that run in one transaction, with the run as `$1`. The step is complete when the
/// first of them changes fewer rows than a batch.
type Step = Vec<String>;

/// The steps that delete one run, in order. Between any two batches, every rule of the audit holds:
/// the stock of a run that is being deleted is marked as unguarded first, and rows that the other
/// rules compare are deleted together.
fn steps() -> [Step; 10] {
    let batch = |select: &str| format!("{select} LIMIT {BATCH_ROWS}");
    let of_products = |columns: &str, table: &str| {
        let select = format!("SELECT {columns} FROM {table} WHERE product_id IN ({PRODUCTS})");
        batch(&select)
    };
    let delete = |columns: &str, table: &str| -> Step {
        let some = of_products(columns, table);
        vec![format!("DELETE FROM {table} WHERE ({columns}) IN ({some})")]
    };
    let samples =
        format!("SELECT lane_id, elapsed_ms FROM simulation_sample WHERE lane_id IN ({LANES})");
    let orders = format!("SELECT id FROM customer_order WHERE lane_id IN ({LANES})");
    [
        vec![format!(
            "UPDATE stock SET unguarded = true WHERE NOT unguarded AND product_id IN ({PRODUCTS})"
        )],
        lessons::delete_codes_sql(),
        // A sold order of a lane has one line, and so one sell movement.
        vec![format!(
            "WITH batch AS ({}), \
               sold AS (DELETE FROM customer_order o USING batch WHERE o.id = batch.order_id) \
             DELETE FROM stock_movement m USING batch WHERE m.id = batch.id",
            of_products("id, order_id", "stock_movement")
        )],
        // Orders that were never sold have no movement.
        vec![format!(
            "DELETE FROM customer_order WHERE id IN ({})",
            of_products("order_id", "order_line")
        )],
        delete("id", "hold"),
        delete("cart_id, product_id", "cart_item"),
        delete("product_id, unit", "stock_unit"),
        vec![format!(
            "DELETE FROM simulation_sample WHERE (lane_id, elapsed_ms) IN ({})",
            batch(&samples)
        )],
        // Orders of a simulated sale of a shop product took real stock: they are kept, and only
        // their lane is cleared.
        vec![format!(
            "UPDATE customer_order SET lane_id = NULL WHERE id IN ({})",
            batch(&orders)
        )],
        vec![
            format!("DELETE FROM product WHERE lane_id IN ({LANES})"),
            "DELETE FROM simulation_run WHERE id = $1".to_owned(),
        ],
    ]
}

/// Runs batches of a step until it is complete. Returns false if `end` came first.
async fn finish_step(db: &Db, run: Uuid, step: &Step, end: Instant) -> Result<bool, TxnError> {
    loop {
        if Instant::now() >= end {
            return Ok(false);
        }
        if run_batch(db, run, step.clone()).await? < BATCH_ROWS as u64 {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Runs one batch of a step. Returns the number of rows that its first statement changed.
async fn run_batch(db: &Db, run: Uuid, step: Step) -> Result<u64, TxnError> {
    txn::run_for_result(db, Policy::request("prune simulations"), move |work| {
        let step = step.clone();
        Box::pin(async move {
            locks::retention(work).await?;
            let mut changed = None;
            for sql in step {
                let statement = dialect::statement(&sql, [run.into()]);
                let done = work.connection().execute_raw(statement).await?;
                changed.get_or_insert(done.rows_affected());
            }
            Ok(changed.unwrap_or_default())
        })
    })
    .await
}
