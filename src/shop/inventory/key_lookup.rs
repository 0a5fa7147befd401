//! Batched look-up of idempotency keys: the requests that arrive while a query is running share the
//! next query.

use std::sync::Arc;

use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::admission_queue::{AdmissionQueue, Consumer, PushResult};
use crate::{db::Db, shop::idempotency};

/// The most requests that may wait. For further requests the answer is `None`.
const WAITING_MAX: usize = 16_384;
/// The most keys in one query.
const BATCH_MAX: usize = 1_024;

/// See the module's documentation.
#[derive(Debug)]
pub struct KeyLookup(Arc<AdmissionQueue<LookupRequest>>);

#[derive(Debug)]
struct LookupRequest {
    key: String,
    answer: oneshot::Sender<bool>,
}

impl Default for KeyLookup {
    fn default() -> Self {
        Self(AdmissionQueue::new(WAITING_MAX))
    }
}

impl KeyLookup {
    /// Returns whether a response is stored under `key`; `None` if the look-up failed or too many
    /// requests wait.
    pub async fn is_known(&self, db: &Db, key: &str) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        let key = key.to_owned();
        match self.0.push(LookupRequest { key, answer }) {
            PushResult::Consumer(consumer) => drop(tokio::spawn(look_up(db.clone(), consumer))),
            PushResult::Queued => {}
            PushResult::Full(_) => return None,
        }
        answered.await.ok()
    }
}

async fn look_up(db: Db, mut consumer: Consumer<LookupRequest>) {
    while let Some(requests) = consumer.take(BATCH_MAX) {
        match known_of(&db, &requests).await {
            Ok(known) => {
                for request in requests {
                    let is_known = known.binary_search(&request.key).is_ok();
                    // The client may have left.
                    let _ = request.answer.send(is_known);
                }
            }
            // The senders are dropped, so each caller gets `None` and asks the row.
            Err(error) => tracing::warn!(%error, "could not look up idempotency keys"),
        }
        tokio::task::yield_now().await;
    }
}

async fn known_of(db: &Db, requests: &[LookupRequest]) -> Result<Vec<String>, DbErr> {
    let keys = requests.iter().map(|request| request.key.clone()).collect();
    let mut known = idempotency::existing_keys(db.reader(), keys).await?;
    known.sort_unstable();
    Ok(known)
}
