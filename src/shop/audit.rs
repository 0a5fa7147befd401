//! The audit: checks every rule that must hold between stock, orders, money and the ledger.
//!
//! The [`full`] audit reads all of history, in short snapshots; the [`continuous`] audit reads what
//! changed, every few seconds. Both take no row locks and run under load, on connections of their
//! own. What each of them can see is in docs/decisions/0021-two-audits.md and
//! docs/decisions/0039-a-full-audit-in-parts.md.
//!
//! Workbench lanes with an unsafe strategy are exhibits: the report lists what they oversold, and
//! they violate no rule.

mod changes;
pub mod continuous;
mod counters;
mod exhibits;
pub mod full;
mod movements;
mod pace;
mod parts;
mod recount;
pub mod rules;
mod scope;
mod server_times;
mod verified_sums;

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, Statement, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        Db, dialect,
        entity::audit_result,
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::ShopError,
};
pub use exhibits::Exhibit;
use full::FullAudit;
pub use pace::Pace;
use rules::{Check, Rule, Sentence};
use server_times::ServerTimes;

/// Deadline of a full audit that is stored. It pauses beside a sale, so an old shop takes hours.
const FULL_DEADLINE: Duration = Duration::from_secs(20 * 3_600);
/// The advisory lock of a full audit that is stored: an arbitrary number that no other lock uses.
/// It saves work only: of two audits, on two nodes of a cluster, the later result is kept.
const FULL_LOCK: i64 = 0x6175_6466;
/// Interval of the statements on the connection that holds the lock. PostgreSQL ends a transaction
/// that is idle for longer (`PoolSettings::idle_in_transaction`).
const LOCK_KEPT_EVERY: Duration = Duration::from_secs(1);
/// Maximum number of violations listed per rule; [`RuleResult::violations`] counts all of them.
const LISTED_MAX: usize = 20;

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Time of the audit by the database's clock, formatted for people.
    pub at: String,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub took_ms: u64,
    /// How many changed orders the continuous audit checked; none in a full audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_orders: Option<usize>,
    pub rules: Vec<RuleResult>,
    pub exhibits: Vec<Exhibit>,
}

impl AuditReport {
    /// Returns true if no rule is violated.
    pub fn is_clean(&self) -> bool {
        self.rules.iter().all(|rule| rule.violations == 0)
    }

    /// Returns how many rules were checked.
    pub fn checked_rules(&self) -> usize {
        let checked = self.rules.iter().filter(|rule| rule.not_checked.is_none());
        checked.count()
    }

    /// Returns how many violations all rules have.
    pub fn violations(&self) -> usize {
        self.rules.iter().map(|rule| rule.violations).sum()
    }

    fn log_violations(&self, sentence: &'static str) {
        for rule in self.rules.iter().filter(|rule| rule.violations > 0) {
            let first = rule.listed.first().map_or("", String::as_str);
            tracing::error!(
                rule = rule.rule,
                violations = rule.violations,
                first,
                "{sentence}"
            );
        }
    }
}

/// The result of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    pub rule: String,
    #[serde(rename = "says")]
    pub requirement: String,
    pub violations: usize,
    /// The first violations, one sentence each.
    pub listed: Vec<String>,
    /// Why the rule was not checked, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_checked: Option<String>,
}

impl RuleResult {
    pub(super) fn of(rule: &Rule) -> Self {
        Self {
            rule: rule.name.to_owned(),
            requirement: rule.requirement.to_owned(),
            violations: 0,
            listed: Vec::new(),
            not_checked: None,
        }
    }

    /// The result of a rule that could not be checked, with the reason.
    pub(super) fn unchecked(rule: &Rule, reason: String) -> Self {
        Self {
            not_checked: Some(reason),
            ..Self::of(rule)
        }
    }

    pub(super) fn add(&mut self, violations: Vec<String>) {
        self.violations += violations.len();
        let room = LISTED_MAX.saturating_sub(self.listed.len());
        self.listed.extend(violations.into_iter().take(room));
    }
}

/// Checks every rule, without a pause.
///
/// # Errors
/// [`TxnError`] if the database fails. A violation is not an error.
pub async fn run(db: &Db) -> Result<AuditReport, TxnError> {
    FullAudit::new(Pace::FAST).run(db, |_| {}).await
}

/// Checks every rule at this pace, and calls `before` with each rule before it is checked.
///
/// # Errors
/// As [`run`].
pub async fn run_with_progress(
    db: &Db,
    pace: Pace,
    before: impl Fn(&Rule) + Clone + Send + Sync + 'static,
) -> Result<AuditReport, TxnError> {
    FullAudit::new(pace).run(db, before).await
}

/// Runs a full audit at this pace, and stores the result for the admin page of every server
/// process, together with the results of other rules, which are checked after it. Returns `None` if
/// another server is at it.
///
/// # Errors
/// As [`run`].
pub async fn run_and_store(
    db: &Db,
    pace: Pace,
    others: impl Future<Output = Vec<RuleResult>>,
) -> Result<Option<AuditReport>, TxnError> {
    let Some(report) = run_alone(db, pace).await? else {
        return Ok(None);
    };
    let mut report = report?;
    report.rules.extend(others.await);
    report.log_violations("the full audit found violations");
    let stored = report.clone();
    txn::run_for_result(db, Policy::request("store audit result"), move |work| {
        let stored = stored.clone();
        Box::pin(async move { store(work, Stored::Full, &stored).await })
    })
    .await?;
    Ok(Some(report))
}

/// Runs a full audit while a transaction beside it holds [`FULL_LOCK`]. That transaction has a
/// snapshot only while one of its statements runs, so it keeps no old version of a row; and unlike
/// a lock of a session, it also works behind a pooler in transaction mode.
async fn run_alone(db: &Db, pace: Pace) -> Result<Option<Result<AuditReport, TxnError>>, TxnError> {
    let policy = Policy {
        attempts_max: 1,
        deadline: FULL_DEADLINE,
        ..Policy::request("audit lock")
    };
    let audited = db.clone();
    txn::run_for_result(db, policy, move |work| {
        let audited = audited.clone();
        Box::pin(async move {
            if !dialect::try_advisory_lock_in_transaction(work.connection(), FULL_LOCK).await? {
                return Ok(None);
            }
            tokio::select! {
                report = FullAudit::new(pace).run(&audited, |_| {}) => Ok(Some(report)),
                error = keep_lock(work) => Err(Abort::Db(error)),
            }
        })
    })
    .await
}

/// Keeps the transaction that holds the lock from being idle. Returns only if it has failed.
async fn keep_lock(work: &Work) -> DbErr {
    loop {
        tokio::time::sleep(LOCK_KEPT_EVERY).await;
        if let Err(error) = dialect::now(work.connection()).await {
            return error;
        }
    }
}

/// Returns the pace of a full audit that is started by hand: it leaves the machine to the sale if a
/// server process runs.
pub async fn pace_beside_servers(db: &Db) -> Result<Pace, ShopError> {
    let now = dialect::now(db.reader()).await.map_err(txn::read_error)?;
    let servers = ServerTimes::read(db.reader()).await;
    let servers = servers.map_err(txn::read_error)?;
    Ok(if servers.is_any_alive(now) {
        Pace::GENTLE
    } else {
        Pace::FAST
    })
}

/// Which of the two results is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Full,
    Continuous,
}

impl Stored {
    /// The name of its row.
    fn name(self) -> &'static str {
        match self {
            Self::Full => "last",
            Self::Continuous => "continuous",
        }
    }
}

async fn store(work: &Work, which: Stored, report: &AuditReport) -> Result<(), Abort> {
    let json = serde_json::to_string(report).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = audit_result::ActiveModel {
        name: Set(which.name().to_owned()),
        report: Set(json),
        at: Set(dialect::now(work.connection()).await?),
    };
    audit_result::Entity::insert(row)
        .on_conflict(
            OnConflict::column(audit_result::Column::Name)
                .update_columns([audit_result::Column::Report, audit_result::Column::At])
                .to_owned(),
        )
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
}

/// The latest stored result of any server process.
#[derive(Clone, Debug)]
pub struct LatestAudit {
    pub report: AuditReport,
    /// Time since it was stored, by the database's clock.
    pub age: Duration,
    /// The hour of the day by the database's clock, in UTC.
    pub hour_now: i32,
}

/// Returns the latest stored result, or `None` before the first audit.
pub async fn latest(db: &Db, which: Stored) -> Result<Option<LatestAudit>, ShopError> {
    let stored = audit_result::Entity::find_by_id(which.name())
        .one(db.reader())
        .await
        .map_err(txn::read_error)?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    // Read after the row, so that it is not before the time of the row.
    let now = dialect::now(db.reader()).await.map_err(txn::read_error)?;
    // A result in an older format counts as missing.
    let report = serde_json::from_str(&stored.report).ok();
    Ok(report.map(|report| LatestAudit {
        report,
        age: Duration::try_from(now - stored.at).unwrap_or_default(),
        hour_now: now.to_offset(time::UtcOffset::UTC).hour().into(),
    }))
}

/// Checks every rule in the caller's snapshot transaction.
pub async fn report(work: &Work) -> Result<AuditReport, Abort> {
    let mut audit = FullAudit::new(Pace::ONE_SNAPSHOT);
    audit.read_all(work).await?;
    Ok(audit.report())
}

/// Returns the violations that a check without restrictions finds.
async fn evaluate_whole(
    connection: &impl ConnectionTrait,
    check: &Check,
) -> Result<Vec<String>, DbErr> {
    let mut values = Vec::new();
    if let Some(seconds) = check.due_within_s {
        let servers = ServerTimes::read(connection).await?;
        let Some(late_before) = servers.late_before(seconds) else {
            return Ok(Vec::new());
        };
        values.push(late_before.into());
    }
    let statement = scope::unrestricted(check.sql, values);
    evaluate(connection, statement, check.sentence).await
}

/// Returns the violations that a statement finds.
async fn evaluate(
    connection: &impl ConnectionTrait,
    statement: Statement,
    sentence: Sentence,
) -> Result<Vec<String>, DbErr> {
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(sentence).collect()
}
