//! Stores the lock snapshots of a lane with its run.

use std::collections::HashMap;

use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::{from_json, to_json};
use crate::{
    db::{
        Db, dialect,
        entity::{simulation_lane, simulation_lock_picture},
        txn::{self, Policy, TxnError},
    },
    model::{ShopError, lock_queue::LaneLocks},
};

/// Stores the lock snapshots of a lane.
pub async fn save_locks(db: &Db, lane_id: i64, locks: &LaneLocks) -> Result<(), TxnError> {
    let locks = locks.clone();
    txn::run_for_result(db, Policy::request("save lock snapshot"), move |work| {
        let locks = locks.clone();
        Box::pin(async move {
            let row = simulation_lock_picture::ActiveModel {
                lane_id: Set(lane_id),
                picture: Set(to_json(&locks)?),
            };
            simulation_lock_picture::Entity::insert(row)
                .exec_without_returning(work.connection())
                .await?;
            Ok(())
        })
    })
    .await
}

/// Reads the lock snapshots of a run's lanes, in lane order. `None` for a lane without them, such
/// as a lane of a run from before the lock view existed, or if they cannot be read.
pub async fn locks_of_run(db: &Db, run: Uuid) -> Result<Vec<Option<LaneLocks>>, ShopError> {
    read(db, run).await.map_err(txn::read_error)
}

async fn read(db: &Db, run: Uuid) -> Result<Vec<Option<LaneLocks>>, DbErr> {
    let lanes = simulation_lane::Entity::find()
        .filter(simulation_lane::Column::RunId.eq(run))
        .order_by_asc(simulation_lane::Column::Id)
        .all(db.reader())
        .await?;
    let ids: Vec<_> = lanes.iter().map(|lane| lane.id).collect();
    let rows = simulation_lock_picture::Entity::find()
        .filter(dialect::column_in(
            simulation_lock_picture::Column::LaneId,
            &ids,
        ))
        .all(db.reader())
        .await?;
    let rows = rows.into_iter().map(|row| (row.lane_id, row.picture));
    let mut pictures: HashMap<i64, String> = rows.collect();
    let lanes = ids.iter();
    Ok(lanes
        .map(|id| from_json(&pictures.remove(id)?).ok())
        .collect())
}
