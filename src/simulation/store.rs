//! Runs in the database: their lanes, their samples, and how they ended.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    db::{
        Db, dialect,
        entity::{product, simulation_lane, simulation_run, simulation_sample, stock},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{
        Currency, LatencyMs, RunSnapshot, RunState, Sample, ShopError, SimulationPlan, Verdict,
    },
    shop::{
        catalog,
        idempotency::{self, Claim},
        inventory::layout,
    },
};

/// Runs older than this are removed with their lanes.
const RUNS_KEPT_DAYS: u32 = 30;
/// Price of a unit on a private lane.
const LANE_PRICE_CENTS: i64 = 1_000;

/// A run that is about to begin.
#[derive(Clone, Debug)]
pub struct OpenedRun {
    pub id: Uuid,
    pub lane_id: i64,
    pub product_id: i64,
    pub product_name: String,
    /// Units at the start.
    pub stock: i64,
    pub started_at: String,
}

/// What came of asking for a run.
#[derive(Clone, Debug)]
pub enum Opening {
    New(OpenedRun),
    /// The key is known: this is the run of the first press.
    Known(Uuid),
}

/// Writes the run and its lane: a private product, or a claim on a product of the shop. Once for the key.
///
/// # Errors
/// [`ShopError::UnknownProduct`] inside [`TxnError::Refused`]; what the database says.
pub async fn open(
    db: &Db,
    plan: &SimulationPlan,
    claim: Option<Claim>,
) -> Result<Opening, TxnError> {
    let plan = plan.clone();
    txn::run_for_result(db, Policy::request("open simulation"), move |work| {
        let (plan, claim) = (plan.clone(), claim.clone());
        Box::pin(async move {
            if let Some(known) = idempotency::claim(work, claim.as_ref()).await? {
                return Ok(Opening::Known(known));
            }
            let opened = open_in_txn(work, &plan).await?;
            idempotency::record(work, claim.as_ref(), &opened.id).await?;
            Ok(Opening::New(opened))
        })
    })
    .await
}

/// The run that was started under the key, if there is one. While one is being started, it is waited for.
///
/// # Errors
/// [`ShopError::IdempotencyKeyReused`] inside [`TxnError::Refused`]; what the database says.
pub async fn started_under(db: &Db, claim: Claim) -> Result<Option<Uuid>, TxnError> {
    let found = txn::run_for_result(db, Policy::request("look for simulation"), move |work| {
        let claim = claim.clone();
        Box::pin(async move {
            let known: Option<Uuid> = idempotency::claim(work, Some(&claim)).await?;
            // A key that was free must stay so: refused, the transaction takes back that it was claimed.
            known.ok_or_else(|| Abort::from(ShopError::UnknownSimulation))
        })
    })
    .await;
    match found {
        Ok(id) => Ok(Some(id)),
        Err(TxnError::Refused(ShopError::UnknownSimulation)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn open_in_txn(work: &Work, plan: &SimulationPlan) -> Result<OpenedRun, Abort> {
    let run = simulation_run::ActiveModel {
        id: Set(Uuid::now_v7()),
        state: Set(RunState::Running.as_str().to_owned()),
        plan: Set(to_json(plan)?),
        verdict: NotSet,
        failure: NotSet,
        started_at: NotSet,
        beat_at: NotSet,
        ended_at: NotSet,
    }
    .insert(work.connection())
    .await?;
    let lane = simulation_lane::ActiveModel {
        id: NotSet,
        run_id: Set(run.id),
        strategy: Set(plan.strategy.to_string()),
        product_id: Set(plan.product_id),
    }
    .insert(work.connection())
    .await?;
    let (product_id, product_name, stock) = match plan.product_id {
        Some(id) => shop_product(work, id).await?,
        None => private_product(work, plan, lane.id).await?,
    };
    Ok(OpenedRun {
        id: run.id,
        lane_id: lane.id,
        product_id,
        product_name,
        stock,
        started_at: catalog::in_utc(run.started_at),
    })
}

async fn shop_product(work: &Work, id: i64) -> Result<(i64, String, i64), Abort> {
    let offer = catalog::offer(work, id).await?;
    if offer.lane_id.is_some() {
        return Err(ShopError::UnknownProduct.into());
    }
    let level = stock::Entity::find_by_id(id)
        .one(work.connection())
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    Ok((id, offer.name, level.available))
}

async fn private_product(
    work: &Work,
    plan: &SimulationPlan,
    lane_id: i64,
) -> Result<(i64, String, i64), Abort> {
    let units = i64::from(plan.stock);
    let product = product::ActiveModel {
        id: NotSet,
        slug: Set(format!("lane-{lane_id}")),
        name: Set(format!("Lane {lane_id}")),
        description: Set(format!(
            "A private product of the workbench, sold by {}.",
            plan.strategy
        )),
        category: Set("Workbench".to_owned()),
        artwork: Set("artwork/flash-sale-smartphone.svg".to_owned()),
        price_cents: Set(LANE_PRICE_CENTS),
        currency: Set(Currency::EUR.code().to_owned()),
        per_customer_limit: NotSet,
        sale_starts_at: NotSet,
        sale_ends_at: NotSet,
        lane_id: Set(Some(lane_id)),
    }
    .insert(work.connection())
    .await?;
    layout::lay_out(work, product.id, units, plan.strategy).await?;
    simulation_lane::Entity::update_many()
        .col_expr(simulation_lane::Column::ProductId, Expr::value(product.id))
        .filter(simulation_lane::Column::Id.eq(lane_id))
        .exec(work.connection())
        .await?;
    Ok((product.id, product.name, units))
}

/// Stores how the run ended, with the points of its chart.
///
/// # Errors
/// What the database says.
pub async fn close(db: &Db, lane_id: i64, end: &RunSnapshot) -> Result<(), TxnError> {
    let end = end.clone();
    txn::run_for_result(db, Policy::request("close simulation"), move |work| {
        let end = end.clone();
        Box::pin(async move { close_in_txn(work, lane_id, &end).await })
    })
    .await
}

async fn close_in_txn(work: &Work, lane_id: i64, end: &RunSnapshot) -> Result<(), Abort> {
    let id = Uuid::try_parse(&end.id).map_err(|error| DbErr::Type(error.to_string()))?;
    let verdict = end.verdict.as_ref().map(to_json).transpose()?;
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
        .col_expr(simulation_run::Column::EndedAt, Expr::current_timestamp())
        .filter(simulation_run::Column::Id.eq(id))
        .exec(work.connection())
        .await?;
    let mut rows = Vec::with_capacity(end.samples.len());
    for sample in &end.samples {
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

/// Says that the run is still going on.
///
/// # Errors
/// What the database says.
pub async fn beat(db: &Db, id: Uuid) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("simulation beat"), move |work| {
        Box::pin(async move {
            simulation_run::Entity::update_many()
                .col_expr(simulation_run::Column::BeatAt, Expr::current_timestamp())
                .filter(simulation_run::Column::Id.eq(id))
                .exec(work.connection())
                .await?;
            Ok(())
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

/// A stored run, with its points.
///
/// # Errors
/// [`ShopError::UnknownSimulation`]; what a database failure means.
pub async fn find(db: &Db, id: Uuid) -> Result<RunSnapshot, ShopError> {
    let run = simulation_run::Entity::find_by_id(id)
        .one(db.reader())
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownSimulation)?;
    let lane = simulation_lane::Entity::find()
        .filter(simulation_lane::Column::RunId.eq(id))
        .one(db.reader())
        .await
        .map_err(txn::read_error)?;
    let samples = match &lane {
        Some(lane) => simulation_sample::Entity::find()
            .filter(simulation_sample::Column::LaneId.eq(lane.id))
            .order_by_asc(simulation_sample::Column::ElapsedMs)
            .all(db.reader())
            .await
            .map_err(txn::read_error)?,
        None => Vec::new(),
    };
    let name = match lane.and_then(|lane| lane.product_id) {
        Some(product_id) => product::Entity::find_by_id(product_id)
            .one(db.reader())
            .await
            .map_err(txn::read_error)?
            .map(|product| product.name),
        None => None,
    };
    snapshot(run, name.unwrap_or_default(), &samples).map_err(txn::read_error)
}

/// The latest runs, newest first, without their points.
///
/// # Errors
/// What a database failure means.
pub async fn latest(db: &Db, at_most: u64) -> Result<Vec<RunSnapshot>, ShopError> {
    let runs = simulation_run::Entity::find()
        .order_by_desc(simulation_run::Column::Id)
        .limit(at_most)
        .all(db.reader())
        .await
        .map_err(txn::read_error)?;
    runs.into_iter()
        .map(|run| snapshot(run, String::new(), &[]).map_err(txn::read_error))
        .collect()
}

fn snapshot(
    run: simulation_run::Model,
    product_name: String,
    samples: &[simulation_sample::Model],
) -> Result<RunSnapshot, DbErr> {
    let plan: SimulationPlan = from_json(&run.plan)?;
    let verdict: Option<Verdict> = run.verdict.as_deref().map(from_json).transpose()?;
    let stock = verdict
        .as_ref()
        .map_or(i64::from(plan.stock), |verdict| verdict.stock);
    Ok(RunSnapshot {
        id: run.id.to_string(),
        state: match run.state.as_str() {
            "finished" => RunState::Finished,
            "failed" => RunState::Failed,
            _ => RunState::Running,
        },
        plan,
        product_name,
        stock,
        started_at: catalog::in_utc(run.started_at),
        samples: samples
            .iter()
            .map(|row| from_json::<Sample>(&row.counts))
            .collect::<Result<_, _>>()?,
        latency_ms: verdict
            .as_ref()
            .map_or_else(LatencyMs::default, |verdict| verdict.latency_ms),
        verdict,
        failure: run.failure,
    })
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|error| DbErr::Json(error.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbErr> {
    serde_json::from_str(text).map_err(|error| DbErr::Json(error.to_string()))
}

/// What the database says about a product at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sea_orm::FromQueryResult)]
pub struct Ground {
    /// Units that can be bought.
    pub available: i64,
    /// Units that came in so far.
    pub total: i64,
    /// Units on order lines of the run.
    pub sold_by_run: i64,
    /// Units on all order lines.
    pub sold_by_all: i64,
}

/// Reads [`Ground`] in one statement, so that its numbers are of one moment.
///
/// # Errors
/// [`ShopError::UnknownProduct`]; what a database failure means.
pub async fn ground(db: &Db, product_id: i64, lane_id: i64) -> Result<Ground, ShopError> {
    let sql = "SELECT s.available, s.total, \
                 coalesce(sum(l.quantity) FILTER (WHERE o.lane_id = $2), 0)::bigint AS sold_by_run, \
                 coalesce(sum(l.quantity) FILTER (WHERE o.id IS NOT NULL), 0)::bigint AS sold_by_all \
               FROM stock_level s \
               LEFT JOIN order_line l ON l.product_id = s.product_id \
               LEFT JOIN customer_order o ON o.id = l.order_id AND o.status IN ('placed', 'paid') \
               WHERE s.product_id = $1 GROUP BY s.available, s.total";
    let row = db
        .reader()
        .query_one_raw(dialect::statement(sql, [product_id.into(), lane_id.into()]))
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)?;
    sea_orm::FromQueryResult::from_query_result(&row, "").map_err(txn::read_error)
}

/// Units that can be bought now: what a chart shows.
///
/// # Errors
/// [`ShopError::UnknownProduct`]; what a database failure means.
pub async fn remaining(db: &Db, product_id: i64) -> Result<i64, ShopError> {
    let sql = "SELECT available FROM stock_level WHERE product_id = $1";
    db.reader()
        .query_one_raw(dialect::statement(sql, [product_id.into()]))
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)?
        .try_get("", "available")
        .map_err(txn::read_error)
}
