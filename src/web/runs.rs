//! Finds a run by its id, in the memory of this server or in the database.

use uuid::Uuid;

use crate::{
    model::{RunSnapshot, ShopError, lock_queue::LaneLocks},
    shop::Shop,
    simulation::{LiveRuns, store},
};

/// Returns the current state of a run.
///
/// # Errors
/// [`ShopError::UnknownSimulation`] if there is no such run or `id` is not a UUID;
/// [`ShopError::InvalidState`] if it is stored, but cannot be read.
pub async fn find(shop: &Shop, live: &LiveRuns, id: &str) -> Result<RunSnapshot, ShopError> {
    let id = parse(id)?;
    match live.get(id) {
        Some(run) => Ok(run.snapshot()),
        None => store::find(shop.db(), id).await,
    }
}

/// Reads a stored run with the locks of its lanes.
///
/// # Errors
/// [`ShopError::UnknownSimulation`]; [`ShopError::InvalidState`] if it is stored, but cannot be
/// read.
pub async fn find_with_locks(
    shop: &Shop,
    id: Uuid,
) -> Result<(RunSnapshot, Vec<LaneLocks>), ShopError> {
    let run = store::find(shop.db(), id).await?;
    let kept = store::locks_of_run(shop.db(), id).await?;
    let lanes = run.lanes.iter().zip(kept);
    let locks = lanes.map(|(lane, kept)| kept.unwrap_or(LaneLocks::empty(lane.strategy)));
    let locks = locks.collect();
    Ok((run, locks))
}

/// Parses the id of a run.
///
/// # Errors
/// [`ShopError::UnknownSimulation`] if `id` is not a UUID.
pub fn parse(id: &str) -> Result<Uuid, ShopError> {
    Uuid::try_parse(id).map_err(|_| ShopError::UnknownSimulation)
}
