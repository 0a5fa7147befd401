//! The audit: checks every rule that must hold between stock, orders, money and the ledger.
//!
//! The full audit reads all of history in one snapshot; the [`continuous`] audit reads what
//! changed, every few seconds. Both take no row locks and run under load, on connections of their
//! own. What each of them can see is in docs/decisions/0021-two-audits.md.
//!
//! Workbench lanes with an unsafe strategy are exhibits: the report lists what they oversold, and
//! they violate no rule.

mod changes;
pub mod continuous;
mod exhibits;
pub mod rules;
mod scope;
mod server_times;
mod verified_sums;

use std::time::{Duration, Instant};

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
use rules::{Check, RULES, Rule, Sentence};
use server_times::ServerTimes;

/// Deadline of a full audit: it reads about 100,000 orders a second.
const FULL_DEADLINE: Duration = Duration::from_secs(3_600);
/// The advisory lock of a full audit that is stored: an arbitrary number that no other lock uses.
const FULL_LOCK: i64 = 0x6175_6466;
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
}

impl RuleResult {
    fn of(rule: &Rule) -> Self {
        Self {
            rule: rule.name.to_owned(),
            requirement: rule.requirement.to_owned(),
            violations: 0,
            listed: Vec::new(),
        }
    }

    fn add(&mut self, violations: Vec<String>) {
        self.violations += violations.len();
        let room = LISTED_MAX.saturating_sub(self.listed.len());
        self.listed.extend(violations.into_iter().take(room));
    }
}

/// Checks every rule in one snapshot.
///
/// # Errors
/// [`TxnError`] if the database fails. A violation is not an error.
pub async fn run(db: &Db) -> Result<AuditReport, TxnError> {
    run_with_progress(db, |_| {}).await
}

/// The same, and calls `before` with each rule before it is checked.
///
/// # Errors
/// As [`run`].
pub async fn run_with_progress(
    db: &Db,
    before: impl Fn(&Rule) + Clone + Send + Sync + 'static,
) -> Result<AuditReport, TxnError> {
    let policy = Policy::snapshot("audit", FULL_DEADLINE);
    txn::run_for_result(db, policy, move |work| {
        let before = before.clone();
        Box::pin(async move { full_report(work, &before).await })
    })
    .await
}

/// Runs a full audit and stores the result for the admin page of every server process. Returns
/// `None` if another server is at it.
///
/// # Errors
/// As [`run`].
pub async fn run_and_store(db: &Db) -> Result<Option<AuditReport>, TxnError> {
    let policy = Policy::snapshot("audit", FULL_DEADLINE);
    let report = txn::run_for_result(db, policy, |work| {
        Box::pin(async move {
            match dialect::try_advisory_lock_in_transaction(work.connection(), FULL_LOCK).await? {
                true => report(work).await.map(Some),
                false => Ok(None),
            }
        })
    })
    .await?;
    let Some(report) = report else {
        return Ok(None);
    };
    report.log_violations("the full audit found violations");
    let stored = report.clone();
    txn::run_for_result(db, Policy::request("store audit result"), move |work| {
        let stored = stored.clone();
        Box::pin(async move { store(work, Stored::Full, &stored).await })
    })
    .await?;
    Ok(Some(report))
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
    full_report(work, &|_| {}).await
}

async fn full_report(work: &Work, before: &(impl Fn(&Rule) + Sync)) -> Result<AuditReport, Abort> {
    let (connection, started) = (work.connection(), Instant::now());
    let now = dialect::now(connection).await?;
    let servers = ServerTimes::read(connection).await?;
    let mut results = Vec::with_capacity(RULES.len());
    for rule in RULES {
        before(rule);
        let mut result = RuleResult::of(rule);
        for check in rule.checks {
            result.add(evaluate_whole(connection, check, check.sql, &servers).await?);
        }
        results.push(result);
    }
    let exhibits = exhibits::read(connection).await?;
    Ok(AuditReport {
        at: super::moment::in_utc(now),
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        checked_orders: None,
        rules: results,
        exhibits,
    })
}

/// Returns the violations that a check finds with the statement `sql` in all rows.
async fn evaluate_whole(
    connection: &impl ConnectionTrait,
    check: &Check,
    sql: &str,
    servers: &ServerTimes,
) -> Result<Vec<String>, DbErr> {
    let mut values = Vec::new();
    if let Some(seconds) = check.due_within_s {
        let Some(late_before) = servers.late_before(seconds) else {
            return Ok(Vec::new());
        };
        values.push(late_before.into());
    }
    let statement = scope::unrestricted(sql, values);
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
