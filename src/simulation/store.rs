//! Stores runs in the database: their lanes, their samples and their verdicts.

mod buyers;
mod cut_off;
mod exhibits;
mod json;
mod lessons;
mod listing;
mod locks;
mod naming;
mod opening;
mod progress;
mod proof;
mod pruning;
mod reading;
mod reservations;
mod server;
mod stepping;
mod stock_snapshot;
mod unreadable;

pub use buyers::lane_of_buyer;
pub use cut_off::{end_sessions, fail_abandoned, server_session_name, session_prefix};
pub use exhibits::{
    UncheckedChange, age_holds, count_then_sell, end_code, end_of_holds, is_available,
    read_code_usage, renew_holds, take_any_quantity,
};
pub use lessons::{
    LessonOpening, LessonProduct, LessonStock, NewLessonProduct, add_lesson_product, close_lesson,
    last_lessons, new_lesson_code, open_lesson, read_lesson_stock,
};
pub use listing::{RunFilter, RunOutcome, RunPage, latest, list, products_for_sale, runs_of_plan};
pub use locks::{locks_of_run, save_locks};
pub use naming::rename;
pub use opening::{RunOpening, find_by_key, open};
pub use progress::{LanePoints, record_progress, record_start};
pub use proof::certify;
pub use pruning::{RUNS_KEPT_DAYS, count_old, prune};
pub use reading::find;
pub use reservations::{expire_reservations, make_payments_due};
pub use server::{DatabaseServer, server};
pub use stepping::{SteppedLanes, expire_holds, open_stepped, postpone_deadlines};
pub use stock_snapshot::{StockSnapshot, close_keys, read_stock_snapshot, remaining};
pub use unreadable::{ListedRun, UnreadableRun};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use self::json::to_json;
use super::run_secret::RunSecret;
use crate::{
    db::{
        Db, dialect,
        entity::simulation_run,
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{RunCommand, RunSnapshot, RunState, RunVerdict, ShopError, StrategyKey, plan::Writers},
    shop::administrator::Administrator,
};

/// A run that is about to start.
#[derive(Clone, Debug)]
pub struct OpenedRun {
    pub id: Uuid,
    /// Known only to the process that opened the run, and to its buyers.
    pub secret: RunSecret,
    /// In RFC 3339.
    pub started_at: String,
    /// In the order of the plan's lanes.
    pub lanes: Vec<OpenedLane>,
}

/// A lane that is about to start.
#[derive(Clone, Debug)]
pub struct OpenedLane {
    pub id: i64,
    pub strategy: StrategyKey,
    /// The nodes of a cluster to which its buyers write, if the plan chooses them.
    pub writers: Option<Writers>,
    pub product_id: i64,
    pub product_name: String,
}

/// Stores the final state of the run, with the samples of its charts.
pub async fn close(db: &Db, opened: &OpenedRun, end: &RunSnapshot) -> Result<(), TxnError> {
    let (opened, end) = (opened.clone(), end.clone());
    txn::run_for_result(db, Policy::request("close simulation"), move |work| {
        let (opened, end) = (opened.clone(), end.clone());
        Box::pin(async move { close_in_txn(work, &opened, &end).await })
    })
    .await
}

async fn close_in_txn(work: &Work, opened: &OpenedRun, end: &RunSnapshot) -> Result<(), Abort> {
    let has_verdict = end.lanes.iter().any(|lane| lane.verdict.is_some());
    let verdict = has_verdict.then(|| RunVerdict::of(end));
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
        progress::replace_points(work, row.id, &lane.samples).await?;
    }
    end_private_sales(work, "r.id = $1", [opened.id.into()]).await
}

/// Ends the sale of the private products of some runs: nothing is sold after the end of a run, not
/// even to its own buyers.
async fn end_private_sales<const N: usize>(
    work: &Work,
    runs: &str,
    values: [sea_orm::Value; N],
) -> Result<(), Abort> {
    let sql = format!(
        "UPDATE product SET sale_ends_at = CURRENT_TIMESTAMP WHERE sale_ends_at IS NULL AND lane_id IN \
         (SELECT l.id FROM simulation_lane l JOIN simulation_run r ON r.id = l.run_id WHERE {runs})"
    );
    work.connection()
        .execute_raw(dialect::statement(&sql, values))
        .await?;
    Ok(())
}

/// Stores a command for a run, which the server process of the run reads.
///
/// # Errors
/// [`ShopError::UnknownSimulation`] and [`ShopError::SimulationOver`] inside [`TxnError::Refused`].
pub async fn set_command(
    _: &Administrator,
    db: &Db,
    id: Uuid,
    command: RunCommand,
) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("simulation command"), move |work| {
        Box::pin(async move {
            let mut update = simulation_run::Entity::update_many()
                .col_expr(
                    simulation_run::Column::Command,
                    Expr::value(command.as_str()),
                )
                .filter(simulation_run::Column::Id.eq(id))
                .filter(simulation_run::Column::State.eq(RunState::Running.as_str()));
            if !command.is_end() {
                let open = [RunCommand::Run, RunCommand::Pause].map(RunCommand::as_str);
                update = update.filter(simulation_run::Column::Command.is_in(open));
            }
            if update.exec(work.connection()).await?.rows_affected > 0 {
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
