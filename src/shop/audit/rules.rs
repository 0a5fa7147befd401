//! The audit rules. Each statement of a rule returns one row per violation: keys and numbers. The
//! type beside the statement reads the row, and its `Display` is the sentence that the audit
//! prints.
//!
//! A statement marks where it can be restricted: `IN_ORDERS(o.id)` holds for every order in the
//! full audit, and for the changed orders in the continuous one. `INTEGER(…)` marks a sum, which
//! engines return in different types. [`scope`](super::scope) replaces the marks.
//!
//! The statements are standard SQL: any engine with window functions can run them.

mod customers;
mod deadlines;
mod money;
mod movements;
mod stock;

use std::fmt;

use sea_orm::{DbErr, FromQueryResult, QueryResult};

/// A rule of the audit.
#[derive(Debug)]
pub struct Rule {
    pub name: &'static str,
    /// The condition that must hold.
    pub requirement: &'static str,
    /// The rule holds if none of them finds a violation.
    pub checks: &'static [Check],
}

/// A statement that finds violations of a rule.
#[derive(Debug)]
pub struct Check {
    /// The statement of the full audit.
    pub sql: &'static str,
    pub sentence: Sentence,
    /// How the continuous audit finds the same violations.
    pub continuous: Continuous,
    /// For a deadline: the seconds in which a running server process has to finish work that is
    /// due. The statement finds the work that was due before the time `$1`.
    pub due_within_s: Option<i64>,
}

/// How the continuous audit checks a rule. Every rule is checked in a way whose cost does not grow
/// with the history of the shop.
#[derive(Clone, Copy, Debug)]
pub enum Continuous {
    /// With the full audit's statement: it reads no history, only products, open holds or
    /// unresolved payments.
    Whole,
    /// With the full audit's statement, restricted to what changed.
    Changed,
    /// With another statement about everything, which continues from verified sums.
    Own(&'static str),
    /// With another statement, restricted to what changed.
    OwnChanged(&'static str, Sentence),
}

/// Describes a row of a statement in one sentence.
pub type Sentence = fn(&QueryResult) -> Result<String, DbErr>;

/// Reads a row as `F`, and describes it.
fn sentence<F: FromQueryResult + fmt::Display>(row: &QueryResult) -> Result<String, DbErr> {
    F::from_query_result(row, "").map(|finding| finding.to_string())
}

impl Check {
    /// A statement that both audits run without restrictions.
    const fn whole<F: FromQueryResult + fmt::Display>(sql: &'static str) -> Self {
        Self::of::<F>(sql, Continuous::Whole)
    }

    /// A statement that the continuous audit restricts to what changed.
    const fn changed<F: FromQueryResult + fmt::Display>(sql: &'static str) -> Self {
        Self::of::<F>(sql, Continuous::Changed)
    }

    const fn of<F: FromQueryResult + fmt::Display>(
        sql: &'static str,
        continuous: Continuous,
    ) -> Self {
        Self {
            sql,
            sentence: sentence::<F>,
            continuous,
            due_within_s: None,
        }
    }
}

/// Formats a number or a text that may be missing.
fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// All rules, in the order in which a purchase could violate them.
pub const RULES: &[Rule] = &[
    stock::CONSERVED,
    stock::LEDGER_EQUALS_COUNTERS,
    stock::RESERVED_EQUALS_HOLDS,
    stock::SOLD_EQUALS_ORDER_LINES,
    movements::ONE_SELL_MOVEMENT_A_LINE,
    movements::SELL_NAMES_ITS_HOLD,
    movements::NO_MOVEMENT_WITHOUT_LINE,
    movements::RETURNS_EQUAL_LINES,
    money::TOTAL_EQUALS_PARTS,
    money::CAPTURED_LESS_REFUNDED_EQUALS_DUE,
    deadlines::MONEY_IS_RESOLVED,
    deadlines::EXPIRED_HOLDS_ARE_SWEPT,
    money::STATES_AGREE,
    customers::CODES_KEPT,
    customers::LIMITS_KEPT,
    customers::KEY_HAS_ANSWER,
    stock::STOCK_ROW_FOR_EACH_PRODUCT,
];
