//! Looking idempotency keys up for many askers at once: those who ask while a look-up is under way share the next.

use std::sync::Arc;

use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::waiting_line::{Joined, Turn, WaitingLine};
use crate::{db::Db, shop::idempotency};

/// Askers who may wait; whoever comes then has to look for itself.
const ASKERS_MAX: usize = 16_384;
/// Keys of one look-up.
const KEYS_AT_ONCE: usize = 1_024;

/// See the module's documentation.
#[derive(Debug)]
pub struct KnownKeys(Arc<WaitingLine<Asker>>);

#[derive(Debug)]
struct Asker {
    key: String,
    answer: oneshot::Sender<bool>,
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self(WaitingLine::new(ASKERS_MAX))
    }
}

impl KnownKeys {
    /// Whether an answer is kept under `key`; `None` when that could not be found out.
    pub async fn is_known(&self, db: &Db, key: &str) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        let key = key.to_owned();
        match self.0.join(Asker { key, answer }) {
            Joined::First(turn) => drop(tokio::spawn(look_up(db.clone(), turn))),
            Joined::Behind => {}
            Joined::Full(_) => return None,
        }
        answered.await.ok()
    }
}

async fn look_up(db: Db, mut turn: Turn<Asker>) {
    while let Some(askers) = turn.take(KEYS_AT_ONCE) {
        match known_of(&db, &askers).await {
            Ok(known) => {
                for asker in askers {
                    let is_known = known.binary_search(&asker.key).is_ok();
                    // Whoever has left needs no answer.
                    let _ = asker.answer.send(is_known);
                }
            }
            // Their answers are dropped: each goes the long way.
            Err(error) => tracing::warn!(%error, "idempotency keys could not be looked up"),
        }
        tokio::task::yield_now().await;
    }
}

async fn known_of(db: &Db, askers: &[Asker]) -> Result<Vec<String>, DbErr> {
    let keys = askers.iter().map(|asker| asker.key.clone()).collect();
    let mut known = idempotency::known_of(db.reader(), keys).await?;
    known.sort_unstable();
    Ok(known)
}
