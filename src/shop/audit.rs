//! The audit: every rule that must hold between stock, orders and ledger, one statement a rule, all in one snapshot.
//!
//! It may run under load: it takes no lock, and sees one committed moment. Unguarded lanes of the workbench are exhibits, listed with
//! what they lost; they break no rule.

pub mod rules;

use std::time::Duration;

use sea_orm::FromQueryResult;
use serde::Serialize;

use crate::db::{
    Db, dialect,
    txn::{self, Abort, Policy, TxnError, Work},
};
use rules::RULES;

/// The longest that an audit may take.
const AUDIT_DEADLINE: Duration = Duration::from_secs(60);
/// Violations listed for one rule; the count beyond is in [`RuleResult::violations`].
const LISTED_MAX: usize = 20;

/// What the audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    pub rule: &'static str,
    pub says: &'static str,
    pub violations: usize,
    /// The first of them, each a sentence.
    pub listed: Vec<String>,
}

/// A lane of an unsafe strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
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

#[derive(Debug, FromQueryResult)]
struct MomentRow {
    at: time::OffsetDateTime,
}

/// Runs every rule in one snapshot.
///
/// # Errors
/// [`TxnError`] when the database cannot be asked; a violation is no error.
pub async fn run(db: &Db) -> Result<AuditReport, TxnError> {
    let policy = Policy::snapshot("audit", AUDIT_DEADLINE);
    txn::run_for_result(db, policy, |work| Box::pin(report(work))).await
}

async fn report(work: &Work) -> Result<AuditReport, Abort> {
    let connection = work.connection();
    let moment =
        MomentRow::find_by_statement(dialect::statement("SELECT CURRENT_TIMESTAMP AS at", []))
            .one(connection)
            .await?;
    let mut results = Vec::with_capacity(RULES.len());
    for rule in RULES {
        let rows = ViolationRow::find_by_statement(dialect::statement(rule.sql, []))
            .all(connection)
            .await?;
        results.push(RuleResult {
            rule: rule.name,
            says: rule.says,
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
        at: moment
            .map(|row| super::catalog::in_utc(row.at))
            .unwrap_or_default(),
        rules: results,
        exhibits,
    })
}
