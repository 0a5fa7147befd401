//! A run by its id, whether it goes on here or is stored.

use uuid::Uuid;

use crate::{
    model::{RunSnapshot, ShopError},
    shop::Shop,
    simulation::{Engine, store},
};

/// The run, as it stands now.
///
/// # Errors
/// [`ShopError::UnknownSimulation`], also for what is no id; what a database failure means.
pub async fn find(shop: &Shop, engine: &Engine, id: &str) -> Result<RunSnapshot, ShopError> {
    let id = parse(id)?;
    match engine.runs().get(id) {
        Some(live) => Ok(live.snapshot()),
        None => store::find(shop.db(), id).await,
    }
}

/// # Errors
/// [`ShopError::UnknownSimulation`] for what is no id.
pub fn parse(id: &str) -> Result<Uuid, ShopError> {
    Uuid::try_parse(id).map_err(|_| ShopError::UnknownSimulation)
}
