//! The audit: every rule that must hold between stock, orders and ledger, one statement a rule, all in one snapshot.
//!
//! It may run under load: it takes no lock, and sees one committed moment. Unguarded lanes of the workbench are exhibits, listed with
//! what they lost; they break no rule.

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

/// The longest that an audit may take.
const AUDIT_DEADLINE: Duration = Duration::from_secs(60);
/// The name of the result that is kept.
const LAST: &str = "last";
/// Violations listed for one rule; the count beyond is in [`RuleResult::violations`].
const LISTED_MAX: usize = 20;

/// What the audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// By the database's clock, as a person reads it.
    pub at: String,
    pub rules: Vec<RuleResult>,
    pub exhibits: Vec<Exhibit>,
}

impl AuditReport {
    /// True when no rule is violated.
    pub fn is_clean(&self) -> bool {
        self.rules.iter().all(|rule| rule.violations == 0)
    }
}

/// One rule and the rows that violate it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    pub rule: String,
    pub says: String,
    pub violations: usize,
    /// The first of them, each a sentence.
    pub listed: Vec<String>,
}

/// A lane of an unsafe strategy.
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

/// Runs every rule in one snapshot.
///
/// # Errors
/// [`TxnError`] when the database cannot be asked; a violation is no error.
pub async fn run(db: &Db) -> Result<AuditReport, TxnError> {
    let policy = Policy::snapshot("audit", AUDIT_DEADLINE);
    txn::run_for_result(db, policy, |work| Box::pin(report(work))).await
}

/// The same, and keeps the result for the admin page of every server.
///
/// # Errors
/// As [`run`].
pub async fn run_and_keep(db: &Db) -> Result<AuditReport, TxnError> {
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
    let kept = report.clone();
    txn::run_for_result(db, Policy::request("keep audit result"), move |work| {
        let kept = kept.clone();
        Box::pin(async move { keep(work, &kept).await })
    })
    .await?;
    Ok(report)
}

async fn keep(work: &Work, report: &AuditReport) -> Result<(), Abort> {
    let json = serde_json::to_string(report).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = audit_result::ActiveModel {
        name: Set(LAST.to_owned()),
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

/// The result that was kept last, by whichever server; none before the first.
///
/// # Errors
/// What the database failure means.
pub async fn last(db: &Db) -> Result<Option<AuditReport>, ShopError> {
    let row = audit_result::Entity::find_by_id(LAST.to_owned())
        .one(db.reader())
        .await
        .map_err(txn::read_error)?;
    // A result of an older shape is none.
    Ok(row.and_then(|row| serde_json::from_str(&row.report).ok()))
}

/// Every rule, in a snapshot that somebody has open already.
///
/// # Errors
/// What the database says.
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
            says: rule.says.to_owned(),
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
