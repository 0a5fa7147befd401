//! Reads stored runs.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde::Deserialize;
use uuid::Uuid;

use super::{StockSnapshot, json::from_json, lessons::LESSON_PLANS, stepping::STEPPED};
use crate::{
    db::{
        Db,
        entity::{product, simulation_lane, simulation_run, simulation_sample},
        txn,
    },
    model::{
        LaneSnapshot, LatencyMs, RunCommand, RunSnapshot, RunState, RunVerdict, Sample, ShopError,
        SimulationPlan, Verdict,
    },
    shop::moment,
};

/// What the page of a run says that is stored, but cannot be read.
const UNREADABLE: &str =
    "This run cannot be read: another version of Doorbuster stored it, or its data is damaged.";

/// The stored verdict of a run: one for each lane, or a single one in a run from before there were
/// lanes.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredVerdict {
    Run(RunVerdict),
    Lane(Box<Verdict>),
}

/// Selects the runs of the engine. The rows of the stepper and the lessons in the same table have
/// other plans and no verdict.
pub(super) fn simulations() -> Select<simulation_run::Entity> {
    simulation_run::Entity::find()
        .filter(simulation_run::Column::State.ne(STEPPED))
        .filter(simulation_run::Column::Plan.not_like(LESSON_PLANS))
}

/// Reads a stored run, with its samples.
///
/// # Errors
/// [`ShopError::UnknownSimulation`]; [`ShopError::InvalidState`] if it is stored, but cannot be
/// read.
pub async fn find(db: &Db, id: Uuid) -> Result<RunSnapshot, ShopError> {
    let run = simulations()
        .filter(simulation_run::Column::Id.eq(id))
        .one(db.reader())
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownSimulation)?;
    let rows = simulation_lane::Entity::find()
        .filter(simulation_lane::Column::RunId.eq(id))
        .order_by_asc(simulation_lane::Column::Id)
        .all(db.reader())
        .await
        .map_err(txn::read_error)?;
    let mut found = snapshot(run).map_err(stored_error)?;
    for (lane, row) in found.lanes.iter_mut().zip(&rows) {
        let added = add_details(db, lane, row).await;
        added.map_err(stored_error)?;
    }
    Ok(found)
}

/// Returns the error of reading one run: [`ShopError::InvalidState`] if its data cannot be read.
fn stored_error(error: DbErr) -> ShopError {
    match error {
        DbErr::Json(_) => ShopError::InvalidState(UNREADABLE.to_owned()),
        error => txn::read_error(error),
    }
}

/// Adds the samples and the product name, which are stored in other tables.
async fn add_details(
    db: &Db,
    lane: &mut LaneSnapshot,
    row: &simulation_lane::Model,
) -> Result<(), DbErr> {
    let samples = simulation_sample::Entity::find()
        .filter(simulation_sample::Column::LaneId.eq(row.id))
        .order_by_asc(simulation_sample::Column::ElapsedMs)
        .all(db.reader())
        .await?;
    lane.samples = samples
        .iter()
        .map(|row| from_json::<Sample>(&row.counts))
        .collect::<Result<_, _>>()?;
    // A lane without a verdict shows the stock with which it started.
    if let (None, Some(start)) = (&lane.verdict, &row.start) {
        lane.stock = from_json::<StockSnapshot>(start)?.available;
    }
    if let Some(product_id) = row.product_id {
        let product = product::Entity::find_by_id(product_id).one(db.reader());
        lane.product_name = product
            .await?
            .map(|product| product.name)
            .unwrap_or_default();
    }
    Ok(())
}

/// Reads the newest of the selected runs. Ids are UUIDv7, so ordering by id descending is newest
/// first.
pub(super) async fn newest(
    db: &Db,
    runs: Select<simulation_run::Entity>,
    at_most: u64,
) -> Result<Vec<simulation_run::Model>, ShopError> {
    runs.order_by_desc(simulation_run::Column::Id)
        .limit(at_most)
        .all(db.reader())
        .await
        .map_err(txn::read_error)
}

/// Returns a stored run, without its samples.
///
/// # Errors
/// [`DbErr::Json`] if it cannot be read.
pub(super) fn snapshot(run: simulation_run::Model) -> Result<RunSnapshot, DbErr> {
    let plan: SimulationPlan = from_json(&run.plan)?;
    let verdict = run.verdict.as_deref().map(stored_verdict).transpose()?;
    let passed = verdict.as_ref().map(|verdict| verdict.passed);
    let mut verdicts = verdict.map(|verdict| verdict.lanes).unwrap_or_default();
    verdicts.resize(plan.lane_count(), None);
    let lanes = plan.lanes().into_iter().zip(verdicts);
    let title = plan.title();
    Ok(RunSnapshot {
        id: run.id.to_string(),
        state: state(&run),
        lanes: lanes
            .map(|((strategy, writers), verdict)| LaneSnapshot {
                strategy,
                writers,
                product_name: String::new(),
                stock: verdict
                    .as_ref()
                    .map_or(i64::from(plan.stock), |verdict| verdict.stock),
                samples: Vec::new(),
                latency_ms: verdict
                    .as_ref()
                    .map_or_else(LatencyMs::default, |verdict| verdict.latency_ms),
                verdict,
            })
            .collect(),
        plan,
        events: run
            .events
            .as_deref()
            .map(from_json)
            .transpose()?
            .unwrap_or_default(),
        paused_ms: 0,
        started_at: moment::in_rfc3339(run.started_at),
        name: run.name.unwrap_or(title),
        note: run.note.unwrap_or_default(),
        passed,
        failure: run.failure,
    })
}

/// Returns the state of a run. While the run is in progress, its command determines the state.
fn state(run: &simulation_run::Model) -> RunState {
    let stored = RunState::ALL
        .into_iter()
        .find(|state| state.as_str() == run.state);
    match stored {
        Some(over) if over.is_over() => over,
        _ => RunCommand::named(&run.command).unwrap_or_default().state(),
    }
}

fn stored_verdict(text: &str) -> Result<RunVerdict, DbErr> {
    Ok(match from_json(text)? {
        StoredVerdict::Run(verdict) => verdict,
        StoredVerdict::Lane(verdict) => RunVerdict {
            passed: verdict.passed(),
            lanes: vec![Some(*verdict)],
        },
    })
}
