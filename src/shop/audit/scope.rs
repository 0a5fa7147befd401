//! What the continuous audit checks in one round, and the statements restricted to it.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};

use crate::db::dialect;

/// Orders that are checked with one statement per rule.
const ORDERS_PER_CHECK: usize = 1_000;

/// What changed since the last round: the rows that the rules of [`Continuous::Changed`] are
/// restricted to.
///
/// [`Continuous::Changed`]: super::rules::Continuous::Changed
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub orders: Vec<i64>,
    pub holds: Vec<i64>,
    pub movements: Vec<i64>,
    pub codes: Vec<String>,
    pub keys: Vec<String>,
    /// The customers whose limits are checked, as folded e-mail addresses.
    pub emails: Vec<String>,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: i64,
}

#[derive(FromQueryResult)]
struct NameRow {
    name: String,
}

impl Scope {
    /// True if there is nothing to check.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
            && self.holds.is_empty()
            && self.movements.is_empty()
            && self.codes.is_empty()
            && self.keys.is_empty()
            && self.emails.is_empty()
    }

    /// Splits it by orders, so that each statement has a bounded size. The rest is in the first
    /// part.
    pub fn into_parts(mut self) -> Vec<Self> {
        self.orders.sort_unstable();
        self.orders.dedup();
        let orders = std::mem::take(&mut self.orders);
        let mut parts = vec![self];
        for (index, chunk) in orders.chunks(ORDERS_PER_CHECK).enumerate() {
            let orders = chunk.to_vec();
            match parts.get_mut(index) {
                Some(first) => first.orders = orders,
                None => parts.push(Self {
                    orders,
                    ..Self::default()
                }),
            }
        }
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// Replaces its holds by their orders, except for holds without an order: the check of an order
    /// includes its holds.
    pub async fn follow_holds(&mut self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        let orders =
            "SELECT DISTINCT order_id AS id FROM hold WHERE order_id IS NOT NULL AND id = ANY($1)";
        self.orders
            .extend(ids(connection, orders, &self.holds).await?);
        let without = "SELECT id FROM hold WHERE order_id IS NULL AND id = ANY($1)";
        self.holds = ids(connection, without, &self.holds).await?;
        Ok(())
    }

    /// Adds what belongs to its orders: their holds, movements and customers. A rule that joins
    /// them then sees each of them whole.
    pub async fn complete(&mut self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        let holds = "SELECT id FROM hold WHERE order_id = ANY($1)";
        self.holds
            .extend(ids(connection, holds, &self.orders).await?);
        let movements = "SELECT id FROM stock_movement WHERE order_id = ANY($1)";
        self.movements
            .extend(ids(connection, movements, &self.orders).await?);
        let emails = "SELECT DISTINCT email_folded AS name FROM customer_order \
                      WHERE email_folded IS NOT NULL AND id = ANY($1)";
        self.emails
            .extend(names(connection, emails, &self.orders).await?);
        self.emails.sort_unstable();
        self.emails.dedup();
        Ok(())
    }

    /// Builds `sql` with its marks restricted to this scope. `None` if a mark has no rows and the
    /// statement has no other: then it could find nothing.
    pub fn restrict(&self, sql: &str) -> Option<Statement> {
        let marks: [(&str, Value, bool); 6] = [
            (
                "IN_ORDERS(",
                self.orders.clone().into(),
                self.orders.is_empty(),
            ),
            (
                "IN_HOLDS(",
                self.holds.clone().into(),
                self.holds.is_empty(),
            ),
            (
                "IN_MOVEMENTS(",
                self.movements.clone().into(),
                self.movements.is_empty(),
            ),
            (
                "IN_CODES(",
                self.codes.clone().into(),
                self.codes.is_empty(),
            ),
            ("IN_KEYS(", self.keys.clone().into(), self.keys.is_empty()),
            (
                "IN_EMAILS(",
                self.emails.clone().into(),
                self.emails.is_empty(),
            ),
        ];
        let used = marks.into_iter().filter(|(mark, ..)| sql.contains(mark));
        let (mut text, mut values, mut finds_nothing) = (sql.to_owned(), Vec::new(), true);
        for (mark, value, is_empty) in used {
            values.push(value);
            finds_nothing &= is_empty;
            let position = values.len();
            text = replace_mark(&text, mark, |column| format!("{column} = ANY(${position})"));
        }
        (!finds_nothing).then(|| dialect::statement(&text, values))
    }
}

/// Builds `sql` without restrictions, for the full audit.
pub fn unrestricted(sql: &str) -> Statement {
    let marks = [
        "IN_ORDERS(",
        "IN_HOLDS(",
        "IN_MOVEMENTS(",
        "IN_CODES(",
        "IN_KEYS(",
        "IN_EMAILS(",
    ];
    let text = marks.iter().fold(sql.to_owned(), |text, mark| {
        replace_mark(&text, mark, |_| "true".to_owned())
    });
    dialect::statement(&text, [])
}

/// Replaces each `mark(column)` by what `with` returns for the column.
fn replace_mark(sql: &str, mark: &str, with: impl Fn(&str) -> String) -> String {
    let mut parts = sql.split(mark);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (column, rest) = part.split_once(')').unwrap_or((part, ""));
        text.push_str(&with(column));
        text.push_str(rest);
    }
    text
}

/// Returns the column `id` of the rows that `sql` selects for the ids `$1`.
pub async fn ids(
    connection: &impl ConnectionTrait,
    sql: &str,
    among: &[i64],
) -> Result<Vec<i64>, DbErr> {
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let rows = IdRow::find_by_statement(dialect::statement(sql, [among.to_vec().into()]));
    let rows = rows.all(connection).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Returns the column `name` of the rows that `sql` selects for the ids `$1`.
pub async fn names(
    connection: &impl ConnectionTrait,
    sql: &str,
    among: &[i64],
) -> Result<Vec<String>, DbErr> {
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let rows = NameRow::find_by_statement(dialect::statement(sql, [among.to_vec().into()]));
    let rows = rows.all(connection).await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "SELECT 1 FROM a WHERE IN_ORDERS(a.id) AND IN_CODES(code) AND IN_ORDERS(b)";

    #[test]
    fn marks_are_replaced_by_conditions_or_by_true() {
        let scope = Scope {
            orders: vec![3],
            ..Scope::default()
        };
        let restricted = scope.restrict(SQL).expect("an order changed");
        assert_eq!(
            restricted.sql,
            "SELECT 1 FROM a WHERE a.id = ANY($1) AND code = ANY($2) AND b = ANY($1)"
        );
        assert_eq!(restricted.values.map_or(0, |values| values.0.len()), 2);
        assert_eq!(
            unrestricted(SQL).sql,
            "SELECT 1 FROM a WHERE true AND true AND true"
        );
    }

    #[test]
    fn a_statement_about_nothing_that_changed_is_not_run() {
        assert!(Scope::default().restrict(SQL).is_none());
        let keys = Scope {
            keys: vec!["k".to_owned()],
            ..Scope::default()
        };
        assert!(keys.restrict(SQL).is_none());
    }

    #[test]
    fn parts_have_a_bounded_number_of_orders_and_contain_everything_once() {
        let scope = Scope {
            orders: (0..2_500).chain([7]).collect(),
            codes: vec!["TEN".to_owned()],
            ..Scope::default()
        };
        let parts = scope.into_parts();
        let sizes: Vec<_> = parts.iter().map(|part| part.orders.len()).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
        assert_eq!(parts.iter().flat_map(|part| &part.codes).count(), 1);
        assert!(Scope::default().into_parts().is_empty());
    }
}
