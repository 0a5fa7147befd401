//! The audit rules. Each statement of a rule returns one row per violation: keys and numbers. The
//! type beside the statement reads the row, and its `Display` is the sentence that the audit
//! prints.
//!
//! A statement marks where it can be restricted: `IN_ORDERS(o.id)` is replaced by a range of orders
//! in the full audit ([`parts`](super::parts)), and by the changed orders in the continuous one
//! ([`scope`](super::scope)). A column that must equal a marked one is not marked again: PostgreSQL
//! would take the two conditions for independent, and expect far too few rows. `INTEGER(…)` marks a
//! sum, which engines return in different types.
//!
//! The statements are standard SQL: any engine with window functions can run them.

mod customers;
mod deadlines;
mod money;
mod movements;
mod stock;

use std::fmt;

use sea_orm::{DbErr, FromQueryResult, QueryResult};

pub(super) use stock::{LedgerDiffers, SoldDiffers};

/// A rule of the audit.
#[derive(Debug)]
pub struct Rule {
    pub name: &'static str,
    /// The condition that must hold.
    pub requirement: &'static str,
    /// The rule holds if none of them finds a violation.
    pub checks: &'static [Check],
}

/// A statement that finds violations of a rule. Both audits run it, unless the full audit counts by
/// itself.
#[derive(Debug)]
pub struct Check {
    pub sql: &'static str,
    pub sentence: Sentence,
    pub extent: Extent,
    /// For a deadline: the seconds in which a running server process has to finish work that is
    /// due. The statement finds the work that was due before the time `$1`.
    pub due_within_s: Option<i64>,
    /// The counters that the full audit compares instead of running the statement: the statement
    /// relies on the sums of the continuous audit.
    pub counted: Option<Counted>,
}

/// What one run of a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything: it reads no history, only products, open holds or unresolved payments, and what
    /// was added since the verified sums.
    Whole,
    /// What its marks are restricted to: the continuous audit runs it for what changed, and the
    /// full audit for one part of history after the other.
    Restricted,
}

/// Counters of the stock rows that summarize history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All counters, by the movements.
    Ledger,
    /// Sold units, by the order lines.
    Sold,
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
        Self::of::<F>(sql, Extent::Whole)
    }

    /// A statement that both audits restrict.
    const fn restricted<F: FromQueryResult + fmt::Display>(sql: &'static str) -> Self {
        Self::of::<F>(sql, Extent::Restricted)
    }

    const fn of<F: FromQueryResult + fmt::Display>(sql: &'static str, extent: Extent) -> Self {
        Self {
            sql,
            sentence: sentence::<F>,
            extent,
            due_within_s: None,
            counted: None,
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
