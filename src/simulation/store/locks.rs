//! The picture of a lane's locks, kept with its run.

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

/// Stores the picture of a lane.
///
/// # Errors
/// What the database says.
pub async fn keep_locks(db: &Db, lane_id: i64, locks: &LaneLocks) -> Result<(), TxnError> {
    let locks = locks.clone();
    txn::run_for_result(db, Policy::request("keep lock picture"), move |work| {
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

/// The pictures of a run's lanes, in their order; none of a lane for which none was kept, as of a run from before there were any.
///
/// # Errors
/// What a database failure means.
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
    ids.iter()
        .map(|id| pictures.remove(id).map(|text| from_json(&text)).transpose())
        .collect()
}
