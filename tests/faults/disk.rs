//! The disk of the database is full. The servers of this fault are others: their data is on a small
//! disk.

use std::time::Duration;

use super::{
    fault::Fault,
    metrics::{Change, Metric, metric},
    scene::Scene,
};
use crate::support::small_disk;

/// What the server removes meanwhile makes room.
const BETWEEN_FILLINGS: Duration = Duration::from_millis(200);

const DISK_FULL: Metric = metric!(Change::Grows;
    1.0 * "doorbuster_transaction_rollbacks_total" { "sqlstate": "53100" }
);

pub const FAULTS: &[Fault] = &[Fault {
    name: "database: disk full",
    cause: |scene| Box::pin(fill(scene)),
    cure: |scene| Box::pin(make_room(scene)),
    lasts: Duration::from_secs(4),
    lasts_max: Duration::from_secs(10),
    moves: DISK_FULL,
    ..Fault::NONE
}];

async fn fill(scene: &mut Scene) {
    let disk = scene.database.disk().expect("the data is on a small disk");
    let filler = disk.filler();
    scene.held.tasks.spawn(async move {
        loop {
            small_disk::fill(&filler);
            tokio::time::sleep(BETWEEN_FILLINGS).await;
        }
    });
}

/// A server that has stopped itself is started again, as its supervisor would.
async fn make_room(scene: &mut Scene) {
    scene.release().await;
    let disk = scene.database.disk().expect("the data is on a small disk");
    std::fs::remove_file(disk.filler()).expect("it was filled");
    scene.database.ensure_running().await;
}
