//! Deletes old data in rounds, and keeps the result of the last round for the admin page.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    db::{
        Db, dialect,
        retention::{self, COUNTED_MAX, Deleted, ExpiredRows},
        session_store::EXPIRED_SESSIONS,
    },
    metrics::Counter,
    shop::{
        cart::OLD_CARTS,
        guess_counts::{FORGIVEN_COUNTS, FORGIVEN_PASSWORD_COUNTS},
        holds::OLD_ADDRESSES,
        idempotency::OLD_KEYS,
        inventory::queue_outcome::OLD_OUTCOMES,
        moment,
        operation::OLD_HEARTBEATS,
        outbox::{OLD_DELIVERED_EVENTS, OLD_UNDELIVERED_EVENTS, UNWANTED_EVENTS},
    },
    simulation::store,
    web::AppState,
};

/// The rows that are deleted, or emptied, by a condition on each of them.
const ROWS: [ExpiredRows; 11] = [
    EXPIRED_SESSIONS,
    OLD_ADDRESSES,
    OLD_CARTS,
    OLD_KEYS,
    OLD_OUTCOMES,
    OLD_DELIVERED_EVENTS,
    OLD_UNDELIVERED_EVENTS,
    UNWANTED_EVENTS,
    OLD_HEARTBEATS,
    FORGIVEN_COUNTS,
    FORGIVEN_PASSWORD_COUNTS,
];
/// Maximum time for one kind of data in a round, so that a million rows of one kind do not delay
/// the others.
const KIND_MAX: Duration = Duration::from_secs(60);
/// Pause after a round that deleted all old data.
const PAUSE: Duration = Duration::from_secs(300);
/// Pause after a round that did not.
const PAUSE_WHILE_BEHIND: Duration = Duration::from_secs(10);

/// The result of the last round of this server process, and what all rounds lost; clones share it.
#[derive(Clone, Debug, Default)]
pub struct RetentionStatus(Arc<Rounds>);

#[derive(Debug, Default)]
struct Rounds {
    latest: Mutex<Option<RetentionReport>>,
    undelivered_events: Counter,
}

impl RetentionStatus {
    /// Returns the result of the last round, or `None` before the first has ended.
    pub fn latest(&self) -> Option<RetentionReport> {
        self.lock().clone()
    }

    /// Replaces the result of the last round, and counts the events that were lost in it.
    pub fn set(&self, report: RetentionReport) {
        self.0.undelivered_events.add(report.undelivered_events());
        *self.lock() = Some(report);
    }

    /// Returns how many events all rounds have deleted that no subscriber had acknowledged.
    pub fn undelivered_events(&self) -> u64 {
        self.0.undelivered_events.get()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<RetentionReport>> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionReport {
    /// When the round ended, by the database's clock, formatted for people.
    pub at: String,
    pub kinds: Vec<KindReport>,
}

/// The result of a round for one kind of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindReport {
    /// The name of the data, in the plural.
    pub name: &'static str,
    /// The rows that the round deleted; incomplete after an error.
    pub deleted: u64,
    /// The old rows that are left; `None` if they could not be counted.
    pub left: Option<u64>,
}

impl KindReport {
    /// Returns what is left, as a page shows it; `None` if nothing is.
    pub fn left_in_words(&self) -> Option<String> {
        match self.left {
            Some(0) => None,
            Some(COUNTED_MAX..) => Some(format!("more than 1,000,000 {}", self.name)),
            Some(left) => Some(format!("{left} {}", self.name)),
            None => Some(format!("an unknown number of {}", self.name)),
        }
    }
}

impl RetentionReport {
    /// Returns true if no old data is left.
    pub fn is_complete(&self) -> bool {
        self.kinds.iter().all(|kind| kind.left == Some(0))
    }

    /// Returns how many events the round deleted that no subscriber had acknowledged.
    pub fn undelivered_events(&self) -> u64 {
        let kinds = self.kinds.iter();
        let undelivered = kinds.filter(|kind| kind.name == OLD_UNDELIVERED_EVENTS.name);
        undelivered.map(|kind| kind.deleted).sum()
    }
}

/// Deletes old data in rounds, until the server stops. Several servers may do this at the same
/// time: they take turns, one batch each.
pub async fn delete(state: AppState, shutdown: CancellationToken) {
    loop {
        let report = run_round(state.shop.db(), KIND_MAX).await;
        let pause = if report.is_complete() {
            PAUSE
        } else {
            PAUSE_WHILE_BEHIND
        };
        state.retention.set(report);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Deletes old data, for at most the time `kind_max` for each kind. An error is logged and does not
/// keep the other kinds from being deleted.
pub async fn run_round(db: &Db, kind_max: Duration) -> RetentionReport {
    let mut kinds = Vec::with_capacity(ROWS.len() + 1);
    for rows in &ROWS {
        let deleted = retention::delete(db, rows, kind_max).await;
        let deleted = deleted.map_err(|error| error.to_string());
        let left = async || retention::count(db, rows).await.ok();
        kinds.push(report(rows.name, deleted, left).await);
    }
    let deleted = store::prune(db, kind_max).await;
    let deleted = deleted.map_err(|error| error.to_string());
    let left = async || store::count_old(db).await.ok();
    kinds.push(report("simulation runs", deleted, left).await);
    let at = match dialect::now(db.reader()).await {
        Ok(now) => moment::in_utc(now),
        Err(_) => String::new(),
    };
    let round = RetentionReport { at, kinds };
    let lost = round.undelivered_events();
    if lost > 0 {
        tracing::warn!(
            deleted = lost,
            "events were deleted that no subscriber has acknowledged for seven days"
        );
    }
    round
}

/// Logs the result for one kind of data, and counts what is left.
async fn report(
    name: &'static str,
    deleted: Result<Deleted, String>,
    count_left: impl AsyncFnOnce() -> Option<u64>,
) -> KindReport {
    let count = deleted.as_ref().map_or(0, |deleted| deleted.count);
    let left = match &deleted {
        Ok(deleted) if deleted.is_complete => Some(0),
        _ => count_left().await,
    };
    match deleted {
        Err(error) => tracing::warn!(error, left, "could not delete old {name}"),
        Ok(deleted) if !deleted.is_complete => {
            tracing::warn!(
                deleted = count,
                left,
                "old {name} are left for the next round"
            );
        }
        Ok(_) if count > 0 => tracing::info!(deleted = count, "deleted old {name}"),
        Ok(_) => {}
    }
    KindReport {
        name,
        deleted: count,
        left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(left: Option<u64>) -> KindReport {
        KindReport {
            name: "carts",
            deleted: 7,
            left,
        }
    }

    #[test]
    fn a_page_shows_how_many_rows_are_left() {
        for (left, words) in [
            (Some(0), None),
            (Some(12), Some("12 carts")),
            (Some(COUNTED_MAX), Some("more than 1,000,000 carts")),
            (None, Some("an unknown number of carts")),
        ] {
            assert_eq!(kind(left).left_in_words().as_deref(), words);
        }
    }

    #[test]
    fn a_round_is_complete_if_every_kind_is_known_to_be_gone() {
        for (left, is_complete) in [(Some(0), true), (Some(1), false), (None, false)] {
            let report = RetentionReport {
                at: String::new(),
                kinds: vec![kind(Some(0)), kind(left)],
            };
            assert_eq!(report.is_complete(), is_complete, "{left:?}");
        }
    }

    #[test]
    fn the_undelivered_events_of_all_rounds_are_counted() {
        let status = RetentionStatus::default();
        for deleted in [2, 3] {
            let undelivered = KindReport {
                name: OLD_UNDELIVERED_EVENTS.name,
                deleted,
                left: Some(0),
            };
            status.set(RetentionReport {
                at: String::new(),
                kinds: vec![kind(Some(0)), undelivered],
            });
        }
        assert_eq!(status.undelivered_events(), 5, "carts are not counted");
    }
}
