//! Stores the progress of a run while it is in progress: the stock with which its lanes start, its
//! heartbeat, and the points of its charts. A run whose server is killed keeps them.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{StockSnapshot, json::to_json};
use crate::{
    db::{
        Db,
        entity::{simulation_lane, simulation_run, simulation_sample},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{RunCommand, RunState, Sample},
};

/// New points of a lane.
#[derive(Clone, Debug)]
pub struct LanePoints {
    pub lane_id: i64,
    pub samples: Vec<Sample>,
}

/// Stores the stock with which a lane starts. On a product of the shop, nothing else shows it
/// afterwards.
pub async fn record_start(db: &Db, lane_id: i64, start: StockSnapshot) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("start lane"), move |work| {
        Box::pin(async move {
            simulation_lane::Entity::update_many()
                .col_expr(
                    simulation_lane::Column::Start,
                    Expr::value(to_json(&start)?),
                )
                .filter(simulation_lane::Column::Id.eq(lane_id))
                .exec(work.connection())
                .await?;
            Ok(())
        })
    })
    .await
}

/// Writes the heartbeat of a run, and the points that its lanes have gained since the last one.
/// Returns its current command.
pub async fn record_progress(
    db: &Db,
    id: Uuid,
    points: Vec<LanePoints>,
) -> Result<RunCommand, TxnError> {
    txn::run_for_result(db, Policy::request("simulation heartbeat"), move |work| {
        let points = points.clone();
        Box::pin(async move {
            simulation_run::Entity::update_many()
                .col_expr(simulation_run::Column::BeatAt, Expr::current_timestamp())
                .filter(simulation_run::Column::Id.eq(id))
                .exec(work.connection())
                .await?;
            // The update has locked the row: its state cannot change before the points are stored.
            let run = simulation_run::Entity::find_by_id(id);
            let Some(run) = run.one(work.connection()).await? else {
                return Ok(RunCommand::default());
            };
            // The points of a run that has ended are final.
            if run.state == RunState::Running.as_str() {
                for lane in &points {
                    insert_points(work, lane.lane_id, &lane.samples).await?;
                }
            }
            Ok(RunCommand::named(&run.command).unwrap_or_default())
        })
    })
    .await
}

/// Replaces the points of a lane by its final ones, some of which are merged from several earlier
/// ones.
pub(super) async fn replace_points(
    work: &Work,
    lane_id: i64,
    samples: &[Sample],
) -> Result<(), Abort> {
    simulation_sample::Entity::delete_many()
        .filter(simulation_sample::Column::LaneId.eq(lane_id))
        .exec(work.connection())
        .await?;
    insert_points(work, lane_id, samples).await
}

pub(super) async fn insert_points(
    work: &Work,
    lane_id: i64,
    samples: &[Sample],
) -> Result<(), Abort> {
    let mut rows = Vec::with_capacity(samples.len());
    for sample in samples {
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
