//! The audit: checks every rule that must hold between stock, orders and the ledger. Each rule is
//! one SQL statement, and all of them read the same snapshot.
//!
//! The audit can run under load: it takes no locks. Workbench lanes with an unsafe strategy are
//! exhibits: the report lists what they oversold, and they violate no rule.

pub mod rules;

use std::time::Duration;

use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, FromQueryResult, sea_query::OnConflict};
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        Db, dialect,
        entity::audit_result,
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::ShopError,
};
use rules::RULES;

/// Deadline of an audit.
const AUDIT_DEADLINE: Duration = Duration::from_secs(60);
/// The name under which the latest result is stored.
const LATEST: &str = "last";
/// Maximum number of violations listed per rule; [`RuleResult::violations`] counts all of them.
const LISTED_MAX: usize = 20;

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Time of the audit by the database's clock, formatted for people.
    pub at: String,
    pub rules: Vec<RuleResult>,
    pub exhibits: Vec<Exhibit>,
}

impl AuditReport {
    /// Returns true if no rule is violated.
    pub fn is_clean(&self) -> bool {
        self.rules.iter().all(|rule| rule.violations == 0)
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

/// A lane whose strategy is unsafe on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromQueryResult)]
pub struct Exhibit {
    pub product_id: i64,
    pub strategy: String,
    /// Units at the start.
    pub stock: i64,
    /// Units on order lines.
    pub sold: i64,
    /// Units sold beyond the stock.
    pub oversold: i64,
}

#[derive(Debug, FromQueryResult)]
struct ViolationRow {
    violation: String,
}

/// Checks every rule in one snapshot.
///
/// # Errors
/// [`TxnError`] if the database fails. A violation is not an error.
pub async fn run(db: &Db) -> Result<AuditReport, TxnError> {
    let policy = Policy::snapshot("audit", AUDIT_DEADLINE);
    txn::run_for_result(db, policy, |work| Box::pin(report(work))).await
}

/// Runs the audit and stores the result for the admin page of every server process.
///
/// # Errors
/// The same as [`run`].
pub async fn run_and_store(db: &Db) -> Result<AuditReport, TxnError> {
    let report = run(db).await?;
    if !report.is_clean() {
        tracing::error!(
            violations = report
                .rules
                .iter()
                .map(|rule| rule.violations)
                .sum::<usize>(),
            "the audit found violations"
        );
    }
    let stored = report.clone();
    txn::run_for_result(db, Policy::request("store audit result"), move |work| {
        let stored = stored.clone();
        Box::pin(async move { store(work, &stored).await })
    })
    .await?;
    Ok(report)
}

async fn store(work: &Work, report: &AuditReport) -> Result<(), Abort> {
    let json = serde_json::to_string(report).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = audit_result::ActiveModel {
        name: Set(LATEST.to_owned()),
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

/// Returns the latest stored result of any server process, or `None` before the first audit.
pub async fn latest(db: &Db) -> Result<Option<AuditReport>, ShopError> {
    let row = audit_result::Entity::find_by_id(LATEST.to_owned())
        .one(db.reader())
        .await
        .map_err(txn::read_error)?;
    // A result in an older format counts as missing.
    Ok(row.and_then(|row| serde_json::from_str(&row.report).ok()))
}

/// Checks every rule in the caller's snapshot transaction.
pub async fn report(work: &Work) -> Result<AuditReport, Abort> {
    let connection = work.connection();
    let now = dialect::now(connection).await?;
    let mut results = Vec::with_capacity(RULES.len());
    for rule in RULES {
        let rows = ViolationRow::find_by_statement(dialect::statement(rule.sql, []))
            .all(connection)
            .await?;
        results.push(RuleResult {
            rule: rule.name.to_owned(),
            requirement: rule.requirement.to_owned(),
            violations: rows.len(),
            listed: rows
                .into_iter()
                .take(LISTED_MAX)
                .map(|row| row.violation)
                .collect(),
        });
    }
    let exhibits = Exhibit::find_by_statement(dialect::statement(rules::EXHIBITS, []))
        .all(connection)
        .await?;
    Ok(AuditReport {
        at: super::moment::in_utc(now),
        rules: results,
        exhibits,
    })
}
