//! Runs that were cut off: their server process was killed before it could store their end. What
//! they sold is counted in the database.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    StockSnapshot,
    json::{from_json, to_json},
    progress::insert_points,
    stock_snapshot::read_on,
};
use crate::{
    db::{
        Db, PoolSettings, dialect,
        entity::{customer_order, simulation_lane, simulation_run, simulation_sample},
        sessions,
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{
        LatencyMs, RunState, RunVerdict, Sample, SimulationPlan, StrategyKey, TimeSplitMs, Verdict,
    },
};

/// Why the run has ended, as its page shows it.
const FAILURE: &str = "the server that ran it stopped";
/// How often, and at which interval, the end of the buyers' database sessions is awaited.
const SESSION_POLLS_MAX: u32 = 40;
const SESSION_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Returns the beginning of the names of all database sessions that a run's buyers use.
pub fn session_prefix(run: Uuid) -> String {
    format!(
        "{} {} ",
        PoolSettings::SIMULATION.application_name,
        run.simple()
    )
}

/// Returns the name of the database sessions of a server that the run starts.
pub fn server_session_name(run: Uuid, server: u32) -> String {
    format!("{}s{server}", session_prefix(run))
}

/// Marks running runs as failed if their server process has written no heartbeat for
/// `silent_for_s` seconds, and counts what their lanes have sold. Returns the number of runs.
pub async fn fail_abandoned(db: &Db, silent_for_s: u32) -> Result<u64, TxnError> {
    let mut failed = 0;
    for id in abandoned(db, silent_for_s).await? {
        // A transaction that a buyer left behind, for example in a lock queue, could commit after
        // the count.
        if end_sessions(db, id).await? {
            failed += u64::from(fail(db, id, silent_for_s).await?);
        } else {
            tracing::warn!(run = %id, "the database sessions of a run that was cut off have not ended yet");
        }
    }
    Ok(failed)
}

async fn abandoned(db: &Db, silent_for_s: u32) -> Result<Vec<Uuid>, TxnError> {
    let policy = Policy::request("find abandoned simulations");
    txn::run_for_result(db, policy, move |work| {
        Box::pin(async move {
            let is_silent = is_silent(work, silent_for_s).await?;
            let found = simulation_run::Entity::find()
                .filter(simulation_run::Column::State.eq(RunState::Running.as_str()))
                .filter(is_silent)
                .order_by_asc(simulation_run::Column::Id)
                .all(work.connection())
                .await?;
            Ok(found.into_iter().map(|run| run.id).collect())
        })
    })
    .await
}

/// Returns the condition that a run's last heartbeat is too old, by the time of the transaction.
async fn is_silent(work: &Work, silent_for_s: u32) -> Result<Expr, DbErr> {
    let silent_for = time::Duration::seconds(silent_for_s.into());
    let since = dialect::now(work.connection()).await? - silent_for;
    Ok(simulation_run::Column::BeatAt.lt(since))
}

/// Ends the sessions of a run's buyers and of the servers that it started. Returns true once there
/// are none.
pub async fn end_sessions(db: &Db, id: Uuid) -> Result<bool, TxnError> {
    for _ in 0..SESSION_POLLS_MAX {
        let policy = Policy::request("end abandoned sessions");
        let found = txn::run_for_result(db, policy, move |work| {
            Box::pin(async move {
                let prefix = session_prefix(id);
                Ok(sessions::terminate_named(work.connection(), &prefix).await?)
            })
        });
        if found.await? == 0 {
            return Ok(true);
        }
        tokio::time::sleep(SESSION_POLL_INTERVAL).await;
    }
    Ok(false)
}

/// Stores the end of a run. Returns false if it has ended, or if its server has written a heartbeat
/// by now.
async fn fail(db: &Db, id: Uuid, silent_for_s: u32) -> Result<bool, TxnError> {
    txn::run_for_result(
        db,
        Policy::request("fail abandoned simulation"),
        move |work| {
            Box::pin(async move {
                let is_silent = is_silent(work, silent_for_s).await?;
                let ended = simulation_run::Entity::update_many()
                    .col_expr(
                        simulation_run::Column::State,
                        Expr::value(RunState::Failed.as_str()),
                    )
                    .col_expr(simulation_run::Column::Failure, Expr::value(FAILURE))
                    .col_expr(simulation_run::Column::EndedAt, Expr::current_timestamp())
                    .filter(simulation_run::Column::Id.eq(id))
                    .filter(simulation_run::Column::State.eq(RunState::Running.as_str()))
                    .filter(is_silent)
                    .exec(work.connection())
                    .await?;
                if ended.rows_affected == 0 {
                    return Ok(false);
                }
                super::end_private_sales(work, "r.id = $1", [id.into()]).await?;
                let run = simulation_run::Entity::find_by_id(id);
                let run = run.one(work.connection()).await?;
                // A lesson, which is stored as a run, has another plan and no verdict.
                let plan = run.map(|run| from_json::<SimulationPlan>(&run.plan));
                if let Some(Ok(plan)) = plan {
                    store_verdict(work, id, &plan).await?;
                }
                Ok(true)
            })
        },
    )
    .await
}

async fn store_verdict(work: &Work, id: Uuid, plan: &SimulationPlan) -> Result<(), Abort> {
    let rows = simulation_lane::Entity::find()
        .filter(simulation_lane::Column::RunId.eq(id))
        .order_by_asc(simulation_lane::Column::Id)
        .all(work.connection())
        .await?;
    let mut lanes = Vec::with_capacity(rows.len());
    for row in &rows {
        lanes.push(count(work, plan, row).await?);
    }
    if lanes.iter().all(Option::is_none) {
        return Ok(());
    }
    let verdict = RunVerdict {
        lanes,
        passed: false,
    };
    simulation_run::Entity::update_many()
        .col_expr(
            simulation_run::Column::Verdict,
            Expr::value(to_json(&verdict)?),
        )
        .filter(simulation_run::Column::Id.eq(id))
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Counts what a lane has sold, and adds a last point to its charts. `None` if the lane had not
/// started, if its start cannot be read, or if its product was deleted.
async fn count(
    work: &Work,
    plan: &SimulationPlan,
    lane: &simulation_lane::Model,
) -> Result<Option<Verdict>, Abort> {
    let start = lane.start.as_deref().map(from_json::<StockSnapshot>);
    let (Some(Ok(start)), Some(product_id)) = (start, lane.product_id) else {
        return Ok(None);
    };
    let Ok(strategy) = lane.strategy.parse::<StrategyKey>() else {
        return Ok(None);
    };
    let Some(end) = read_on(work.connection(), product_id, lane.id).await? else {
        return Ok(None);
    };
    let orders = customer_order::Entity::find()
        .filter(customer_order::Column::LaneId.eq(lane.id))
        .filter(customer_order::Column::Status.is_in(["placed", "paid"]))
        .count(work.connection())
        .await?;
    let last = last_point(work, lane.id).await?;
    let verdict = verdict(plan, strategy, (start, end), orders, &last);
    let counted = Sample {
        elapsed_ms: last.elapsed_ms + 1,
        remaining: end.available,
        succeeded: orders,
        units: Some(verdict.sold.unsigned_abs()),
        in_attempt: 0,
        pool_in_use: 0,
        recent: Sample::default().recent,
        ..last
    };
    insert_points(work, lane.id, &[counted]).await?;
    Ok(Some(verdict))
}

/// Returns the last point that was stored before the run was cut off, if it can be read.
async fn last_point(work: &Work, lane_id: i64) -> Result<Sample, Abort> {
    let last = simulation_sample::Entity::find()
        .filter(simulation_sample::Column::LaneId.eq(lane_id))
        .order_by_desc(simulation_sample::Column::ElapsedMs)
        .one(work.connection())
        .await?;
    let last = last.and_then(|row| from_json(&row.counts).ok());
    Ok(last.unwrap_or_default())
}

/// The verdict from the rows of the database alone. The buyers' answers were in the memory of the
/// server: an attempt without an order counts as rejected if a stored point says so, and otherwise
/// as interrupted.
fn verdict(
    plan: &SimulationPlan,
    strategy: StrategyKey,
    (start, end): (StockSnapshot, StockSnapshot),
    orders: u64,
    last: &Sample,
) -> Verdict {
    let sold = end.sold_by_run - start.sold_by_run;
    let without_order = plan.attempts().saturating_sub(orders);
    let rejected = last.rejected.min(without_order);
    let (min, max) = (plan.quantities.min().get(), plan.quantities.max().get());
    #[expect(clippy::cast_precision_loss, reason = "at most a million attempts")]
    let per_second = orders as f64 * 1_000.0 / last.elapsed_ms.max(1) as f64;
    Verdict {
        strategy,
        safe: strategy.is_safe(),
        seed: plan.seed,
        buyers: plan.buyers,
        stock: start.available,
        quantity: max,
        quantity_min: (min < max).then_some(min),
        rounds: plan.rounds,
        attempts: plan.attempts(),
        succeeded: orders,
        rejected,
        failed: without_order - rejected,
        cut_off: without_order - rejected,
        contradicted: 0,
        retries: last.retries,
        fallbacks: 0,
        sold,
        promised: Some(sold),
        sold_to_others: end.sold_by_all - start.sold_by_all - sold,
        held: end.reserved - start.reserved,
        remaining: end.available,
        oversold: (end.sold_by_all - end.total).max(0),
        undersold: 0,
        counted_afterwards: true,
        elapsed_ms: last.elapsed_ms,
        orders_per_second: if last.elapsed_ms == 0 {
            0.0
        } else {
            (per_second * 10.0).round() / 10.0
        },
        latency_ms: LatencyMs::default(),
        time_split_ms: TimeSplitMs::default(),
        time_split_p99_ms: TimeSplitMs::default(),
        thresholds: Vec::new(),
        cluster: None,
    }
}
