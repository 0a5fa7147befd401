//! The stock rows that an actor's open transaction has locked, according to its own statements.
//!
//! MariaDB shows whether a row is locked, and by whom only while another session waits for it. So
//! these claims say by whom, and count only if the server confirms that the row is locked. The
//! rules are those of InnoDB; PostgreSQL stores the holder in the row, and needs no claim.

use std::collections::BTreeMap;

use crate::{
    db::statement_hook::{StatementResult, StatementText},
    model::stepper::{begins_transaction, locks_stock, reads_stock, writes_stock},
};

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowClaims {
    /// A plain query locks what it reads.
    is_serializable: bool,
    /// A row whose condition an update did not match stays locked.
    keeps_unmatched: bool,
    /// The locked rows by product, and whether they are locked exclusively.
    rows: BTreeMap<i64, bool>,
}

impl RowClaims {
    /// Records a statement that has ended.
    pub fn record(
        &mut self,
        statement: &StatementText,
        result: &StatementResult,
        product_ids: &[i64],
    ) {
        let sql = statement.sql.as_str();
        if begins_transaction(sql) {
            *self = Self {
                is_serializable: sql.contains("SERIALIZABLE"),
                keeps_unmatched: sql.contains("SERIALIZABLE") || sql.contains("REPEATABLE READ"),
                rows: BTreeMap::new(),
            };
        }
        // After an error, an actor rolls its transaction back.
        if matches!(sql, "COMMIT" | "ROLLBACK") || matches!(result, StatementResult::Failed { .. })
        {
            self.rows.clear();
            return;
        }
        let has_written = writes_stock(sql) && (result.has_rows() || self.keeps_unmatched);
        let is_exclusive = if has_written || (locks_stock(sql) && result.has_rows()) {
            true
        } else if reads_stock(sql) && result.has_rows() && self.is_serializable {
            false
        } else {
            return;
        };
        let is_named = |id: &&i64| statement.values.contains(&id.to_string());
        for id in product_ids.iter().filter(is_named) {
            *self.rows.entry(*id).or_default() |= is_exclusive;
        }
    }

    /// The locked rows by product, and whether they are locked exclusively.
    pub fn rows(&self) -> impl Iterator<Item = (i64, bool)> {
        self.rows
            .iter()
            .map(|(id, is_exclusive)| (*id, *is_exclusive))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::statement_hook::TextRows;

    const READ: &str = "SELECT 1 FROM `stock` WHERE `stock`.`product_id` = ? LIMIT ?";
    const LOCK: &str = "SELECT 1 FROM `stock` WHERE `stock`.`product_id` = ? LIMIT ? FOR UPDATE";
    const UPDATE: &str = "UPDATE `stock` SET `sold` = 1 WHERE `stock`.`product_id` = ?";

    fn claims(level: &str, statements: &[(&str, u64)]) -> Vec<(i64, bool)> {
        let mut claims = RowClaims::default();
        let begin = StatementText::plain(match level {
            "" => "BEGIN".to_owned(),
            level => format!("SET TRANSACTION ISOLATION LEVEL {level}, READ WRITE; BEGIN"),
        });
        claims.record(&begin, &StatementResult::Done, &[27, 28]);
        for (sql, found) in statements {
            let statement = StatementText {
                sql: (*sql).to_owned(),
                values: vec!["27".to_owned(), "1".to_owned()],
            };
            let result = match (sql.starts_with("SELECT"), found) {
                (true, 0) => StatementResult::Rows(TextRows::default()),
                (true, _) => StatementResult::Rows(TextRows {
                    columns: vec!["1".to_owned()],
                    rows: vec![vec![Some("1".to_owned())]],
                }),
                (false, found) => StatementResult::Affected(*found),
            };
            claims.record(&statement, &result, &[27, 28]);
        }
        claims.rows().collect()
    }

    #[test]
    fn the_level_decides_what_a_statement_locks() {
        for (level, statements, expected) in [
            ("", vec![(READ, 1)], vec![]),
            ("", vec![(LOCK, 1)], vec![(27, true)]),
            ("", vec![(LOCK, 0)], vec![]),
            ("", vec![(UPDATE, 1)], vec![(27, true)]),
            ("", vec![(UPDATE, 0)], vec![]),
            ("REPEATABLE READ", vec![(READ, 1)], vec![]),
            ("REPEATABLE READ", vec![(UPDATE, 0)], vec![(27, true)]),
            ("SERIALIZABLE", vec![(READ, 1)], vec![(27, false)]),
            (
                "SERIALIZABLE",
                vec![(READ, 1), (UPDATE, 1)],
                vec![(27, true)],
            ),
            (
                "SERIALIZABLE",
                vec![(UPDATE, 1), (READ, 1)],
                vec![(27, true)],
            ),
            ("SERIALIZABLE", vec![(UPDATE, 1), ("COMMIT", 0)], vec![]),
        ] {
            assert_eq!(
                claims(level, &statements),
                expected,
                "{level} {statements:?}"
            );
        }
    }

    #[test]
    fn an_error_ends_all_claims() {
        let mut claims = RowClaims::default();
        let statement = StatementText {
            sql: LOCK.to_owned(),
            values: vec!["27".to_owned()],
        };
        let found = StatementResult::Rows(TextRows {
            columns: Vec::new(),
            rows: vec![Vec::new()],
        });
        claims.record(&statement, &found, &[27]);
        assert_eq!(claims.rows().count(), 1);
        let failed = StatementResult::Failed {
            sqlstate: Some("1213".to_owned()),
            message: String::new(),
        };
        claims.record(&statement, &failed, &[27]);
        assert_eq!(claims.rows().count(), 0);
    }
}
