//! The audits of a server process: the continuous one every few seconds, the full one once a day.
//! Each takes a lock, so that one server at a time runs it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::{
    db::{Db, txn::TxnError},
    model::ShopError,
    shop::{
        audit::{self, LatestAudit, Pace, Stored, continuous},
        inventory::gate::StockGate,
        redis_audit,
    },
};

/// Interval of the continuous audit.
const ROUND_INTERVAL: Duration = Duration::from_secs(10);
/// How often a server looks whether the full audit is due.
const DUE_INTERVAL: Duration = Duration::from_secs(60);
/// A full audit is not repeated within this time, although its hour has not ended.
const FULL_AGE_MIN: Duration = Duration::from_secs(20 * 3_600);
/// A full audit that missed its hour, because no server ran, runs at once.
const FULL_AGE_MAX: Duration = Duration::from_secs(28 * 3_600);
/// How long a page waits for audits that were started by hand.
const PAGE_WAIT: Duration = Duration::from_secs(3);
/// The admin page shows a continuous audit that is older than this in amber.
pub const LATE: Duration = Duration::from_secs(60);
/// The admin page shows a continuous audit that is older than this in red, and it is logged as an
/// error.
pub const OVERDUE: Duration = Duration::from_secs(300);

/// Checks what changed, until the server stops. Logs an error while no server has managed to do so
/// for [`OVERDUE`].
pub async fn check_changes(db: Db, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(ROUND_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut age = AgeAlarm::starting_at(Instant::now());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        while let Some(true) = run_round(&db).await {
            if shutdown.is_cancelled() {
                return;
            }
        }
        let latest = audit::latest(&db, Stored::Continuous).await.ok().flatten();
        if let Some(age) = age.overdue(Instant::now(), latest.map(|latest| latest.age)) {
            tracing::error!(
                age_s = age.as_secs(),
                "the continuous audit has not succeeded for more than five minutes"
            );
        }
    }
}

/// Runs one round. Returns whether there is more to check, or `None` if this server did not check.
async fn run_round(db: &Db) -> Option<bool> {
    match continuous::run_round(db).await {
        Ok(round) => round.map(|round| round.has_more),
        Err(error) => {
            tracing::warn!(%error, "the continuous audit failed and is repeated");
            None
        }
    }
}

/// Knows the age of the last result, also while the database cannot be asked.
struct AgeAlarm {
    last_result: Instant,
    last_alarm: Option<Instant>,
}

impl AgeAlarm {
    fn starting_at(now: Instant) -> Self {
        Self {
            last_result: now,
            last_alarm: None,
        }
    }

    /// Returns the age of the last result if it is to be logged now: at most once a minute.
    fn overdue(&mut self, now: Instant, reported_age: Option<Duration>) -> Option<Duration> {
        if let Some(at) = reported_age.and_then(|age| now.checked_sub(age)) {
            self.last_result = self.last_result.max(at);
        }
        let age = now.saturating_duration_since(self.last_result);
        let was_logged = self
            .last_alarm
            .is_some_and(|at| now.saturating_duration_since(at) < LATE);
        if age <= OVERDUE || was_logged {
            return None;
        }
        self.last_alarm = Some(now);
        Some(age)
    }
}

/// Runs the full audit once a day in the hour `hour` (UTC), until the server stops. It leaves the
/// machine to the sale.
pub async fn check_history_daily(
    db: Db,
    gate: Option<StockGate>,
    hour: u8,
    shutdown: CancellationToken,
) {
    let mut ticks = tokio::time::interval(DUE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let latest = match audit::latest(&db, Stored::Full).await {
            Ok(latest) => latest,
            Err(error) => {
                tracing::warn!(%error, "could not read when the last full audit ran");
                continue;
            }
        };
        if is_full_audit_due(latest.as_ref(), hour)
            && let Err(error) = run_full(&db, gate.clone()).await
        {
            tracing::error!(%error, "the full audit failed and is repeated in a minute");
        }
    }
}

/// Runs the full audit and, with Redis, the rules about it.
async fn run_full(db: &Db, gate: Option<StockGate>) -> Result<(), TxnError> {
    let in_redis = redis_audit::check(db, gate);
    let stored = audit::run_and_store(db, Pace::GENTLE, in_redis).await;
    stored.map(drop)
}

/// Runs both audits now. If they take longer than a page can wait, they go on, and the admin page
/// shows their results later.
///
/// # Errors
/// [`ShopError`] if the database fails.
pub async fn run_now(db: &Db, gate: Option<&StockGate>) -> Result<(), ShopError> {
    let (db, gate) = (db.clone(), gate.cloned());
    let audits = tokio::spawn(async move {
        let full = run_full(&db, gate);
        tokio::try_join!(continuous::run_round(&db), full).map(drop)
    });
    match tokio::time::timeout(PAGE_WAIT, audits).await {
        Ok(Ok(result)) => result.map_err(ShopError::from),
        Ok(Err(panic)) => {
            tracing::error!(%panic, "an audit panicked");
            Err(ShopError::Busy { retry_after_s: 2 })
        }
        Err(_) => Ok(()),
    }
}

fn is_full_audit_due(latest: Option<&LatestAudit>, hour: u8) -> bool {
    latest.is_none_or(|latest| {
        let is_its_hour = latest.hour_now == i32::from(hour);
        latest.age > FULL_AGE_MAX || (latest.age > FULL_AGE_MIN && is_its_hour)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::audit::AuditReport;

    fn aged(hours: u64, hour_now: i32) -> LatestAudit {
        LatestAudit {
            report: AuditReport {
                at: String::new(),
                took_ms: 0,
                checked_orders: None,
                rules: Vec::new(),
                exhibits: Vec::new(),
            },
            age: Duration::from_secs(hours * 3_600),
            hour_now,
        }
    }

    #[test]
    fn the_full_audit_runs_once_a_day_in_its_hour_and_at_once_if_it_was_missed() {
        for (latest, is_due) in [
            (None, true),
            (Some(aged(24, 3)), true),
            (Some(aged(24, 4)), false),
            (Some(aged(1, 3)), false),
            (Some(aged(29, 15)), true),
        ] {
            assert_eq!(is_full_audit_due(latest.as_ref(), 3), is_due, "{latest:?}");
        }
    }

    #[test]
    fn an_overdue_audit_is_logged_once_a_minute_also_without_a_database() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut alarm = AgeAlarm::starting_at(start);
        assert_eq!(alarm.overdue(at(299), None), None);
        assert_eq!(alarm.overdue(at(310), None), Some(Duration::from_secs(310)));
        assert_eq!(alarm.overdue(at(320), None), None);
        assert_eq!(alarm.overdue(at(371), None), Some(Duration::from_secs(371)));
        assert_eq!(alarm.overdue(at(440), Some(Duration::from_secs(5))), None);
        assert_eq!(
            alarm.overdue(at(800), Some(Duration::from_secs(310))),
            Some(Duration::from_secs(310))
        );
    }
}
