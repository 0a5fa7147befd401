//! Deletes old runs with everything that belongs to them: a run can have a million orders, so it is
//! deleted in batches, each in its own transaction.

use std::time::{Duration, Instant};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter,
    QueryOrder, Select,
};
use uuid::Uuid;

use super::lessons;
use crate::db::{
    Db, dialect,
    entity::{customer_order, simulation_run, stock_movement},
    locks,
    retention::{self, BATCH_ROWS, Deleted},
    txn::{self, Policy, TxnError, Work},
};

/// Runs older than this are deleted with their lanes.
pub const RUNS_KEPT_DAYS: u32 = 30;

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
    }
}

/// Counts the runs that are to be deleted.
pub async fn count_old(db: &Db) -> Result<u64, DbErr> {
    old_runs(db).await?.count(db.reader()).await
}

async fn oldest(db: &Db) -> Result<Option<Uuid>, DbErr> {
    // Ids (UUIDv7) are ordered by time.
    let oldest = old_runs(db).await?.order_by_asc(simulation_run::Column::Id);
    let oldest = oldest.one(db.reader()).await?;
    Ok(oldest.map(|run| run.id))
}

async fn old_runs(db: &Db) -> Result<Select<simulation_run::Entity>, DbErr> {
    let since = dialect::now(db.reader()).await? - time::Duration::days(RUNS_KEPT_DAYS.into());
    Ok(simulation_run::Entity::find().filter(simulation_run::Column::StartedAt.lt(since)))
}

/// What one transaction does, with the run as `$1`.
#[derive(Clone, Debug)]
enum Step {
    /// Runs statements. The step is complete when the first of them changes fewer rows than a
    /// batch.
    Statements(Vec<String>),
    /// Deletes sold orders and their movements.
    SoldOrders,
}

/// The steps that delete one run, in order. Between any two batches, every rule of the audit holds:
/// the stock of a run that is being deleted is marked as unguarded first, and rows that the other
/// rules compare are deleted together.
fn steps() -> [Step; 10] {
    let delete = |columns: &str, table: &str| {
        let some = batch(columns, table, "product_id", PRODUCTS);
        let sql = format!("DELETE FROM {table} WHERE ({columns}) IN ({some})");
        Step::Statements(vec![sql])
    };
    let lines = batch("order_id", "order_line", "product_id", PRODUCTS);
    let samples = batch("lane_id, elapsed_ms", "simulation_sample", "lane_id", LANES);
    let orders = batch("id", "customer_order", "lane_id", LANES);
    [
        Step::Statements(vec![format!(
            "UPDATE stock SET unguarded = true WHERE NOT unguarded AND product_id IN ({PRODUCTS})"
        )]),
        Step::Statements(lessons::delete_codes_sql()),
        Step::SoldOrders,
        // Orders that were never sold have no movement.
        Step::Statements(vec![format!(
            "DELETE FROM customer_order WHERE id IN ({lines})"
        )]),
        delete("id", "hold"),
        delete("cart_id, product_id", "cart_item"),
        delete("product_id, unit", "stock_unit"),
        Step::Statements(vec![format!(
            "DELETE FROM simulation_sample WHERE (lane_id, elapsed_ms) IN ({samples})"
        )]),
        // Orders of a simulated sale of a shop product took real stock: they are kept, and only
        // their lane is cleared.
        Step::Statements(vec![format!(
            "UPDATE customer_order SET lane_id = NULL WHERE id IN ({orders})"
        )]),
        Step::Statements(vec![
            format!("DELETE FROM product WHERE lane_id IN ({LANES})"),
            "DELETE FROM simulation_run WHERE id = $1".to_owned(),
        ]),
    ]
}

/// Selects a batch of rows whose column `key` is among those that `among` selects. The derived
/// table is for engines that accept neither a limit directly after `IN` nor the table that the
/// statement changes.
fn batch(columns: &str, table: &str, key: &str, among: &str) -> String {
    format!(
        "SELECT {columns} FROM (SELECT {columns} FROM {table} WHERE {key} IN ({among}) LIMIT {BATCH_ROWS}) AS batch"
    )
}

/// Runs batches of a step until it is complete. Returns false if `end` came first.
async fn finish_step(db: &Db, run: Uuid, step: &Step, end: Instant) -> Result<bool, TxnError> {
    loop {
        if Instant::now() >= end {
            return Ok(false);
        }
        let started = Instant::now();
        let changed = run_batch(db, run, step.clone()).await?;
        retention::pause_after(started.elapsed()).await;
        if changed < BATCH_ROWS as u64 {
            return Ok(true);
        }
    }
}

/// Runs one batch of a step. Returns the number of rows that its first statement changed.
async fn run_batch(db: &Db, run: Uuid, step: Step) -> Result<u64, TxnError> {
    txn::run_for_result(db, Policy::request("prune simulations"), move |work| {
        let step = step.clone();
        Box::pin(async move {
            locks::retention(work).await?;
            Ok(match step {
                Step::Statements(statements) => run_statements(work, run, &statements).await?,
                Step::SoldOrders => delete_sold_orders(work, run).await?,
            })
        })
    })
    .await
}

async fn run_statements(work: &Work, run: Uuid, statements: &[String]) -> Result<u64, DbErr> {
    let mut changed = None;
    for sql in statements {
        let statement = dialect::statement(sql, [run.into()]);
        let done = work.connection().execute_raw(statement).await?;
        changed.get_or_insert(done.rows_affected());
    }
    Ok(changed.unwrap_or_default())
}

#[derive(FromQueryResult)]
struct MovementRow {
    id: i64,
    order_id: Option<i64>,
}

/// Deletes a batch of movements and the orders that they belong to. A sold order of a lane has one
/// line, and so one sell movement. Returns the number of movements.
async fn delete_sold_orders(work: &Work, run: Uuid) -> Result<u64, DbErr> {
    let sql = batch("id, order_id", "stock_movement", "product_id", PRODUCTS);
    let movements = MovementRow::find_by_statement(dialect::statement(&sql, [run.into()]))
        .all(work.connection())
        .await?;
    let ids: Vec<_> = movements.iter().map(|movement| movement.id).collect();
    let orders = movements.iter().filter_map(|movement| movement.order_id);
    let orders: Vec<_> = orders.collect();
    customer_order::Entity::delete_many()
        .filter(dialect::column_in(customer_order::Column::Id, &orders))
        .exec(work.connection())
        .await?;
    let deleted = stock_movement::Entity::delete_many()
        .filter(dialect::column_in(stock_movement::Column::Id, &ids))
        .exec(work.connection())
        .await?;
    Ok(deleted.rows_affected)
}
