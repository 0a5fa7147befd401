//! Runs in the database: their lanes, their samples, and how they ended.

mod exhibits;
mod ground;
mod lessons;
mod listing;
mod locks;
mod opening;
mod proof;
mod reading;
mod server;
mod stepping;

pub use exhibits::{
    Unchecked, age_holds, code_standing, count_then_sell, end_code, end_of_holds, is_available,
    renew_holds, take_any_quantity,
};
pub use ground::{Ground, close_keys, ground, remaining};
pub use lessons::{
    LessonOpening, NewShelf, Shelf, ShelfFacts, add_shelf, close_lesson, code_of, last_lessons,
    open_lesson, shelf_facts,
};
pub use listing::{Outcome, RunFilter, RunPage, list, of_plan};
pub use locks::{keep_locks, locks_of_run};
pub use opening::{Opening, open, started_under};
pub use proof::certify;
pub use reading::{find, latest};
pub use server::{DatabaseServer, server};
pub use stepping::{SteppedGround, date_ahead, open_stepped, turn_clock};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    db::{
        Db, dialect,
        entity::{simulation_run, simulation_sample},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{LaneSnapshot, RunSnapshot, RunState, RunVerdict, RunWish, ShopError, StrategyKey},
};

/// Runs older than this are removed with their lanes.
pub const RUNS_KEPT_DAYS: u32 = 30;

/// A run that is about to begin.
#[derive(Clone, Debug)]
pub struct OpenedRun {
    pub id: Uuid,
    pub started_at: String,
    /// In the order of the plan's strategies.
    pub lanes: Vec<OpenedLane>,
}

/// A lane that is about to begin.
#[derive(Clone, Debug)]
pub struct OpenedLane {
    pub id: i64,
    pub strategy: StrategyKey,
    pub product_id: i64,
    pub product_name: String,
}

/// Stores how the run ended, with the points of its charts.
///
/// # Errors
/// What the database says.
pub async fn close(db: &Db, opened: &OpenedRun, end: &RunSnapshot) -> Result<(), TxnError> {
    let (opened, end) = (opened.clone(), end.clone());
    txn::run_for_result(db, Policy::request("close simulation"), move |work| {
        let (opened, end) = (opened.clone(), end.clone());
        Box::pin(async move { close_in_txn(work, &opened, &end).await })
    })
    .await
}

async fn close_in_txn(work: &Work, opened: &OpenedRun, end: &RunSnapshot) -> Result<(), Abort> {
    let judged = end.lanes.iter().any(|lane| lane.verdict.is_some());
    let verdict = judged.then(|| RunVerdict::of(end));
    let verdict = verdict.as_ref().map(to_json).transpose()?;
    simulation_run::Entity::update_many()
        .col_expr(
            simulation_run::Column::State,
            Expr::value(end.state.as_str()),
        )
        .col_expr(simulation_run::Column::Verdict, Expr::value(verdict))
        .col_expr(
            simulation_run::Column::Failure,
            Expr::value(end.failure.clone()),
        )
        .col_expr(
            simulation_run::Column::Events,
            Expr::value(to_json(&end.events)?),
        )
        .col_expr(simulation_run::Column::EndedAt, Expr::current_timestamp())
        .filter(simulation_run::Column::Id.eq(opened.id))
        .exec(work.connection())
        .await?;
    for (row, lane) in opened.lanes.iter().zip(&end.lanes) {
        store_samples(work, row.id, lane).await?;
    }
    Ok(())
}

async fn store_samples(work: &Work, lane_id: i64, lane: &LaneSnapshot) -> Result<(), Abort> {
    let mut rows = Vec::with_capacity(lane.samples.len());
    for sample in &lane.samples {
        rows.push(simulation_sample::ActiveModel {
            lane_id: Set(lane_id),
            elapsed_ms: Set(i32::try_from(sample.elapsed_ms).unwrap_or(i32::MAX)),
            counts: Set(to_json(sample)?),
        });
    }
    if !rows.is_empty() {
        simulation_sample::Entity::insert_many(rows)
            .on_conflict_do_nothing()
            .exec_without_returning(work.connection())
            .await?;
    }
    Ok(())
}

/// Says that the run is still going on. Returns what its leader wishes of it.
///
/// # Errors
/// What the database says.
pub async fn beat(db: &Db, id: Uuid) -> Result<RunWish, TxnError> {
    txn::run_for_result(db, Policy::request("simulation beat"), move |work| {
        Box::pin(async move {
            let beaten = simulation_run::Entity::update_many()
                .col_expr(simulation_run::Column::BeatAt, Expr::current_timestamp())
                .filter(simulation_run::Column::Id.eq(id))
                .exec_with_returning(work.connection())
                .await?;
            let wish = beaten.first().and_then(|run| RunWish::named(&run.wish));
            Ok(wish.unwrap_or_default())
        })
    })
    .await
}

/// Notes what the leader of a run wishes, for the server that runs it to read.
///
/// # Errors
/// [`ShopError::UnknownSimulation`] and [`ShopError::SimulationOver`] inside [`TxnError::Refused`]; what the database says.
pub async fn wish(db: &Db, id: Uuid, wish: RunWish) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("wish of simulation"), move |work| {
        Box::pin(async move {
            let mut going_on = simulation_run::Entity::update_many()
                .col_expr(simulation_run::Column::Wish, Expr::value(wish.as_str()))
                .filter(simulation_run::Column::Id.eq(id))
                .filter(simulation_run::Column::State.eq(RunState::Running.as_str()));
            if !wish.is_end() {
                let open = [RunWish::Run, RunWish::Pause].map(RunWish::as_str);
                going_on = going_on.filter(simulation_run::Column::Wish.is_in(open));
            }
            if going_on.exec(work.connection()).await?.rows_affected > 0 {
                return Ok(());
            }
            let run = simulation_run::Entity::find_by_id(id);
            Err(match run.one(work.connection()).await? {
                Some(_) => ShopError::SimulationOver,
                None => ShopError::UnknownSimulation,
            }
            .into())
        })
    })
    .await
}

/// Marks as failed what stands as running though its server has shown no life for `silent_for_s` seconds.
///
/// # Errors
/// What the database says.
pub async fn fail_abandoned(db: &Db, silent_for_s: u32) -> Result<u64, TxnError> {
    txn::run_for_result(db, Policy::request("fail abandoned simulations"), move |work| {
        Box::pin(async move {
            let sql = "UPDATE simulation_run SET state = 'failed', ended_at = CURRENT_TIMESTAMP, \
                       failure = 'the server that ran it stopped' \
                       WHERE state = 'running' AND beat_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 second'";
            let done = work
                .connection()
                .execute_raw(dialect::statement(sql, [f64::from(silent_for_s).into()]))
                .await?;
            Ok(done.rows_affected())
        })
    })
    .await
}

/// Removes runs older than [`RUNS_KEPT_DAYS`], with their private products and all that was sold on them.
///
/// # Errors
/// What the database says.
pub async fn prune(db: &Db) -> Result<u64, TxnError> {
    txn::run_for_result(db, Policy::request("prune simulations"), |work| {
        Box::pin(async move {
            let old = "SELECT l.id FROM simulation_lane l JOIN simulation_run r ON r.id = l.run_id \
                       WHERE r.started_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 day'";
            // Orders of a simulated sale of a shop product took real stock: they stay, and only forget their lane.
            let private = "SELECT p.id FROM product p WHERE p.lane_id IN";
            let steps = [
                format!("DELETE FROM customer_order WHERE id IN (SELECT order_id FROM order_line WHERE product_id IN ({private} ({old})))"),
                format!("DELETE FROM stock_movement WHERE product_id IN ({private} ({old}))"),
                format!("DELETE FROM product WHERE lane_id IN ({old})"),
                lessons::forget_codes(old),
                format!("UPDATE customer_order SET lane_id = NULL WHERE lane_id IN ({old})"),
                "DELETE FROM simulation_run WHERE started_at < CURRENT_TIMESTAMP - $1 * INTERVAL '1 day'".to_owned(),
            ];
            let mut removed = 0;
            for sql in steps {
                let days = f64::from(RUNS_KEPT_DAYS).into();
                let done = work.connection().execute_raw(dialect::statement(&sql, [days])).await?;
                removed = done.rows_affected();
            }
            Ok(removed)
        })
    })
    .await
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|error| DbErr::Json(error.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbErr> {
    serde_json::from_str(text).map_err(|error| DbErr::Json(error.to_string()))
}
