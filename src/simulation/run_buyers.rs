//! The buyers of runs that buy from this process over HTTP.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{run_secret::hash_of_token, store};
use crate::{db::Db, model::ShopError};

/// The most lanes that are remembered. The lanes of ended runs are never asked for again, so all
/// are forgotten when there are too many.
const REMEMBERED_MAX: usize = 256;

/// The lanes whose buyers this process has recognized. A thousand buyers send the same secret, and
/// a query for each of them would be part of what a run measures. The row of the product decides
/// whether its sale has ended.
#[derive(Clone, Debug, Default)]
pub struct RunBuyers(Arc<Mutex<HashMap<RecognizedBy, i64>>>);

/// The hash of a run's secret, and a product.
type RecognizedBy = (String, i64);

impl RunBuyers {
    /// Returns the lane of a private product, if `token` is the token of its run.
    pub async fn lane(
        &self,
        db: &Db,
        token: &str,
        product_id: i64,
    ) -> Result<Option<i64>, ShopError> {
        let by = (hash_of_token(token), product_id);
        let known = self.lock().get(&by).copied();
        if known.is_some() {
            return Ok(known);
        }
        let lane_id = store::lane_of_buyer(db, &by.0, product_id).await?;
        if let Some(lane_id) = lane_id {
            let mut lanes = self.lock();
            if lanes.len() >= REMEMBERED_MAX {
                lanes.clear();
            }
            lanes.insert(by, lane_id);
        }
        Ok(lane_id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecognizedBy, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
