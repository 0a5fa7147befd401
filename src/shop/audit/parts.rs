//! The parts in which a full audit reads history: ranges of a key, one after the other, which
//! together contain every row once, also rows that refer to what does not exist.
//!
//! | key | rows of | the ranges are served by |
//! |---|---|---|
//! | orders | `customer_order.id` | `customer_order_pkey`; lines by `order_line_once_a_product`; movements by `stock_movement_order_id`; payments, refunds and holds by `payment_order_id`, `refund_order_id` and `hold_order_id`; uses by `discount_use_pkey` |
//! | holds | `hold.id` | `hold_pkey`; their movements by `stock_movement_order_id` |
//! | movements | `stock_movement.id` | `stock_movement_pkey`; holds by `hold_pkey`; lines by `order_line_once_a_product` |
//! | codes | `discount_code.code` | `discount_code_pkey`; uses by `discount_use_code_email_folded` |
//! | keys | `idempotency_key.key` | `idempotency_key_pkey` |
//! | customers | `customer_order.email_folded` | `customer_order_email_folded`; lines by `order_line_once_a_product` |

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};

use super::scope;
use crate::db::dialect;

/// What the ranges of a statement are ranges of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Orders,
    Holds,
    Movements,
    Codes,
    Keys,
    Customers,
}

impl Key {
    const ALL: [Self; 6] = [
        Self::Orders,
        Self::Holds,
        Self::Movements,
        Self::Codes,
        Self::Keys,
        Self::Customers,
    ];

    /// Returns the key of the marks in a statement; `None` if it has no mark. A statement has marks
    /// of one key only.
    pub fn of(sql: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| sql.contains(key.mark()))
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Orders => "IN_ORDERS(",
            Self::Holds => "IN_HOLDS(",
            Self::Movements => "IN_MOVEMENTS(",
            Self::Codes => "IN_CODES(",
            Self::Keys => "IN_KEYS(",
            Self::Customers => "IN_EMAILS(",
        }
    }

    /// The table and the column that the ranges are counted by.
    fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::Orders => ("customer_order", "id"),
            Self::Holds => ("hold", "id"),
            Self::Movements => ("stock_movement", "id"),
            Self::Codes => ("discount_code", "code"),
            Self::Keys => ("idempotency_key", "key"),
            Self::Customers => ("customer_order", "email_folded"),
        }
    }

    fn is_id(self) -> bool {
        matches!(self, Self::Orders | Self::Holds | Self::Movements)
    }
}

/// A value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bound {
    Id(i64),
    Name(String),
}

impl From<&Bound> for Value {
    fn from(bound: &Bound) -> Self {
        match bound {
            Bound::Id(id) => (*id).into(),
            Bound::Name(name) => name.clone().into(),
        }
    }
}

#[derive(FromQueryResult)]
struct IdBound {
    bound: Option<i64>,
    found: i64,
}

#[derive(FromQueryResult)]
struct NameBound {
    bound: Option<String>,
    found: i64,
}

/// A range of a key: above `after`, up to and including `up_to`. Without a bound, it has no end on
/// that side.
#[derive(Clone, Debug)]
pub struct Part {
    key: Key,
    after: Option<Bound>,
    up_to: Option<Bound>,
}

impl Part {
    /// True if no part follows.
    pub fn is_last(&self) -> bool {
        self.up_to.is_none()
    }

    /// Builds `sql` with its marks restricted to this range.
    pub fn restrict(&self, sql: &str) -> Statement {
        let mut values = Vec::new();
        let mut bind = |bound: &Bound| {
            values.push(Value::from(bound));
            values.len()
        };
        let bounds = (
            self.after.as_ref().map(&mut bind),
            self.up_to.as_ref().map(&mut bind),
        );
        let text =
            scope::replace_mark(
                &scope::in_engine_words(sql),
                self.key.mark(),
                |column| match bounds {
                    (Some(after), Some(up_to)) => {
                        format!("{column} > ${after} AND {column} <= ${up_to}")
                    }
                    (Some(after), None) => format!("{column} > ${after}"),
                    (None, Some(up_to)) => format!("{column} <= ${up_to}"),
                    // As the other conditions, it is not true for a missing value.
                    (None, None) => format!("{column} IS NOT NULL"),
                },
            );
        dialect::statement(&text, values)
    }
}

/// How far the parts of one statement have come.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    after: Option<Bound>,
    /// The highest id when the first part was read. The part that reaches it is the last one and
    /// has no end, so that rows which are added meanwhile cannot keep the audit from ending.
    goal: Option<i64>,
}

impl Cursor {
    /// Returns the next part, with about `rows` rows, and moves behind it.
    pub async fn next(
        &mut self,
        connection: &impl ConnectionTrait,
        key: Key,
        rows: u64,
    ) -> Result<Part, DbErr> {
        let after = self.after.take();
        let (bound, found) = find_bound(connection, key, after.as_ref(), rows).await?;
        let is_full = found.unsigned_abs() >= rows;
        let up_to = match bound {
            Some(bound) if is_full && !self.is_at_goal(connection, key, &bound).await? => {
                Some(bound)
            }
            _ => None,
        };
        match &up_to {
            Some(bound) => self.after = Some(bound.clone()),
            None => *self = Self::default(),
        }
        Ok(Part { key, after, up_to })
    }

    async fn is_at_goal(
        &mut self,
        connection: &impl ConnectionTrait,
        key: Key,
        bound: &Bound,
    ) -> Result<bool, DbErr> {
        // Texts have no such goal: they are not added in their order.
        let Bound::Id(id) = bound else {
            return Ok(false);
        };
        let goal = match self.goal {
            Some(goal) => goal,
            None => highest_id(connection, key).await?,
        };
        self.goal = Some(goal);
        Ok(*id >= goal)
    }
}

/// Returns the last value of a part with `rows` rows, and how many rows there are.
async fn find_bound(
    connection: &impl ConnectionTrait,
    key: Key,
    after: Option<&Bound>,
    rows: u64,
) -> Result<(Option<Bound>, i64), DbErr> {
    let (table, column) = key.column();
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let (condition, values): (String, Vec<Value>) = match after {
        Some(after) => (format!("t.{column} > $2"), vec![rows.into(), after.into()]),
        None => (format!("t.{column} IS NOT NULL"), vec![rows.into()]),
    };
    let sql = format!(
        "SELECT max(p.bound) AS bound, count(*) AS found \
         FROM (SELECT t.{column} AS bound FROM {table} t WHERE {condition} ORDER BY t.{column} LIMIT $1) p"
    );
    let statement = dialect::statement(&sql, values);
    if key.is_id() {
        let row = IdBound::find_by_statement(statement).one(connection);
        let row = row.await?;
        Ok(row.map_or((None, 0), |row| (row.bound.map(Bound::Id), row.found)))
    } else {
        let row = NameBound::find_by_statement(statement).one(connection);
        let row = row.await?;
        Ok(row.map_or((None, 0), |row| (row.bound.map(Bound::Name), row.found)))
    }
}

async fn highest_id(connection: &impl ConnectionTrait, key: Key) -> Result<i64, DbErr> {
    #[derive(FromQueryResult)]
    struct HighestId {
        id: Option<i64>,
    }
    let (table, column) = key.column();
    let sql = format!("SELECT max({column}) AS id FROM {table}");
    let row = HighestId::find_by_statement(dialect::statement(&sql, []));
    let row = row.one(connection).await?;
    Ok(row.and_then(|row| row.id).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::audit::rules::{Extent, RULES};

    const SQL: &str = "SELECT 1 FROM a WHERE IN_ORDERS(a.id) AND IN_ORDERS((b))";

    fn part(after: Option<i64>, up_to: Option<i64>) -> Part {
        Part {
            key: Key::Orders,
            after: after.map(Bound::Id),
            up_to: up_to.map(Bound::Id),
        }
    }

    #[test]
    fn marks_become_ranges() {
        for (after, up_to, expected, values) in [
            (
                Some(3),
                Some(9),
                "a.id > $1 AND a.id <= $2 AND (b) > $1 AND (b) <= $2",
                2,
            ),
            (Some(3), None, "a.id > $1 AND (b) > $1", 1),
            (None, Some(9), "a.id <= $1 AND (b) <= $1", 1),
            (None, None, "a.id IS NOT NULL AND (b) IS NOT NULL", 0),
        ] {
            let statement = part(after, up_to).restrict(SQL);
            assert_eq!(
                statement.sql,
                format!("SELECT 1 FROM a WHERE {expected}"),
                "{after:?} {up_to:?}"
            );
            assert_eq!(
                statement.values.map_or(0, |values| values.0.len()),
                values,
                "{after:?} {up_to:?}"
            );
        }
    }

    #[test]
    fn the_last_part_has_no_end() {
        assert!(part(Some(3), None).is_last());
        assert!(!part(None, Some(3)).is_last());
    }

    /// A statement with marks of two keys would see only the rows in which the ranges meet.
    #[test]
    fn each_restricted_check_has_marks_of_exactly_one_key() {
        let checks = RULES.iter().flat_map(|rule| rule.checks);
        for check in checks.filter(|check| check.counted.is_none()) {
            let keys = Key::ALL.into_iter();
            let marked = keys.filter(|key| check.sql.contains(key.mark())).count();
            let expected = usize::from(check.extent == Extent::Restricted);
            assert_eq!(marked, expected, "{}", check.sql);
        }
    }
}
