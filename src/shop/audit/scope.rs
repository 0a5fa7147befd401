//! What the continuous audit checks in one round, and the statements of the rules, restricted to
//! it. How the full audit restricts them is in [`parts`](super::parts).

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};

use crate::db::dialect;

/// Orders that are checked with one statement per rule.
const ORDERS_PER_CHECK: usize = 1_000;

/// What changed since the last round: the rows that the checks of [`Extent::Restricted`] are
/// restricted to.
///
/// [`Extent::Restricted`]: super::rules::Extent::Restricted
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
            "SELECT DISTINCT order_id AS id FROM hold WHERE order_id IS NOT NULL AND IN_HOLDS(id)";
        let without = "SELECT id FROM hold WHERE order_id IS NULL AND IN_HOLDS(id)";
        let orders = self.ids(connection, orders).await?;
        self.holds = self.ids(connection, without).await?;
        self.orders.extend(orders);
        Ok(())
    }

    /// Adds what belongs to its orders: their holds, movements and customers. A rule that joins
    /// them then sees each of them whole.
    pub async fn complete(&mut self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        let holds = "SELECT id FROM hold WHERE IN_ORDERS(order_id)";
        let holds = self.ids(connection, holds).await?;
        self.holds.extend(holds);
        let movements = "SELECT id FROM stock_movement WHERE IN_ORDERS(order_id)";
        let movements = self.ids(connection, movements).await?;
        self.movements.extend(movements);
        let emails = "SELECT DISTINCT email_folded AS name FROM customer_order \
                      WHERE email_folded IS NOT NULL AND IN_ORDERS(id)";
        let emails = self.names(connection, emails).await?;
        self.emails.extend(emails);
        self.emails.sort_unstable();
        self.emails.dedup();
        Ok(())
    }

    /// Returns the column `id` of the rows that `sql` selects among those of this scope.
    async fn ids(&self, connection: &impl ConnectionTrait, sql: &str) -> Result<Vec<i64>, DbErr> {
        let Some(statement) = self.restrict(sql) else {
            return Ok(Vec::new());
        };
        let rows = IdRow::find_by_statement(statement).all(connection).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Returns the column `name` of the rows that `sql` selects among those of this scope.
    async fn names(
        &self,
        connection: &impl ConnectionTrait,
        sql: &str,
    ) -> Result<Vec<String>, DbErr> {
        let Some(statement) = self.restrict(sql) else {
            return Ok(Vec::new());
        };
        let rows = NameRow::find_by_statement(statement)
            .all(connection)
            .await?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    /// Builds `sql` with its marks restricted to this scope. `None` if a mark has no rows and the
    /// statement has no other: then it could find nothing.
    pub fn restrict(&self, sql: &str) -> Option<Statement> {
        let values: [(Value, bool); MARKS.len()] = [
            (self.orders.clone().into(), self.orders.is_empty()),
            (self.holds.clone().into(), self.holds.is_empty()),
            (self.movements.clone().into(), self.movements.is_empty()),
            (self.codes.clone().into(), self.codes.is_empty()),
            (self.keys.clone().into(), self.keys.is_empty()),
            (self.emails.clone().into(), self.emails.is_empty()),
        ];
        let used = MARKS.into_iter().zip(values);
        let used = used.filter(|(mark, _)| sql.contains(mark));
        let (mut text, mut bound, mut finds_nothing) = (in_engine_words(sql), Vec::new(), true);
        for (mark, (value, is_empty)) in used {
            bound.push(value);
            finds_nothing &= is_empty;
            let position = bound.len();
            text = replace_mark(&text, mark, |column| dialect::is_any(column, position));
        }
        (!finds_nothing).then(|| dialect::statement(&text, bound))
    }
}

/// The marks of the lists of a [`Scope`], in the order of its fields.
const MARKS: [&str; 6] = [
    "IN_ORDERS(",
    "IN_HOLDS(",
    "IN_MOVEMENTS(",
    "IN_CODES(",
    "IN_KEYS(",
    "IN_EMAILS(",
];

/// Builds a statement without marks of a list, with the values of its parameters.
pub fn unrestricted(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    dialect::statement(&in_engine_words(sql), values)
}

/// Replaces each `INTEGER(expression)` by the words of this engine.
pub fn in_engine_words(sql: &str) -> String {
    replace_mark(sql, "INTEGER(", dialect::integer)
}

/// Replaces each `mark(argument)` by what `with` returns for the argument, which may contain other
/// parentheses.
pub fn replace_mark(sql: &str, mark: &str, with: impl Fn(&str) -> String) -> String {
    let mut parts = sql.split(mark);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (argument, rest) = split_at_closing(part);
        text.push_str(&with(argument));
        text.push_str(rest);
    }
    text
}

/// Splits the text after an opening parenthesis at the one that closes it.
fn split_at_closing(text: &str) -> (&str, &str) {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return (&text[..at], &text[at + 1..]),
            ')' => depth -= 1,
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "SELECT 1 FROM a WHERE IN_ORDERS(a.id) AND IN_CODES(code) AND IN_ORDERS(b)";

    #[test]
    fn marks_are_replaced_by_conditions() {
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
    }

    #[test]
    fn a_marked_sum_is_an_integer_in_this_engines_words() {
        let sql = "SELECT INTEGER(coalesce(sum(a), 0)) AS a, INTEGER(b) FROM c WHERE (e OR f)";
        let expected = "SELECT CAST(coalesce(sum(a), 0) AS bigint) AS a, CAST(b AS bigint) FROM c \
                        WHERE (e OR f)";
        assert_eq!(unrestricted(sql, []).sql, expected);
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
