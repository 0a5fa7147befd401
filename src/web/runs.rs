//! Finds a run by its id, in the memory of this server or in the database.

use uuid::Uuid;

use crate::{
    model::{RunSnapshot, ShopError},
    shop::Shop,
    simulation::{LiveRuns, store},
};

/// Returns the current state of a run.
///
/// # Errors
/// [`ShopError::UnknownSimulation`] if there is no such run or `id` is not a UUID.
pub async fn find(shop: &Shop, live: &LiveRuns, id: &str) -> Result<RunSnapshot, ShopError> {
    let id = parse(id)?;
    match live.get(id) {
        Some(run) => Ok(run.snapshot()),
        None => store::find(shop.db(), id).await,
    }
}

/// Parses the id of a run.
///
/// # Errors
/// [`ShopError::UnknownSimulation`] if `id` is not a UUID.
pub fn parse(id: &str) -> Result<Uuid, ShopError> {
    Uuid::try_parse(id).map_err(|_| ShopError::UnknownSimulation)
}
