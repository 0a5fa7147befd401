//! Puts the shop's SQL into this server's words.
//!
//! The shop's SQL exists once: built with the query builder, or standard SQL with the functions of
//! [`dialect`](crate::db::dialect). What little of it this server does not understand is replaced
//! here, when the statement is sent:
//!
//! | in the shop's SQL | here |
//! |---|---|
//! | `$2` | `?`, with the values in the order of the marks |
//! | `= ANY($1)`, a list as one value | `IN (?, ?, …)` |
//! | `CURRENT_TIMESTAMP`, which has no fractions of a second here | `UTC_TIMESTAMP(6)` |
//! | `clock_timestamp()` | `SYSDATE(6)` |
//! | a time, as a value | a DATETIME in UTC |
//! | `AS bigint` of a cast | `AS SIGNED` |
//! | `EXTRACT(EPOCH FROM b - a) * 1000000` | `TIMESTAMPDIFF(MICROSECOND, a, b)` |
//! | `ON DUPLICATE KEY UPDATE id = id`, which counts an existing row as inserted | see [`Translated`] |

use sea_orm::{DatabaseBackend, Statement, Value, sea_query::Values};
use time::{PrimitiveDateTime, UtcOffset};

/// A statement in this server's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Translated {
    pub statement: Statement,
    /// For an insert that skips rows that exist: the statement to send if the first one reports a
    /// duplicate. `INSERT IGNORE` counts only the rows that it inserts. It is not sent at once,
    /// because it also ignores values that do not fit.
    pub if_duplicate: Option<Statement>,
}

/// Translates a statement.
pub fn translate(statement: Statement) -> Translated {
    let values = statement.values.map(|values| values.0).unwrap_or_default();
    let mut writer = Writer {
        rest: &statement.sql,
        sql: String::with_capacity(statement.sql.len() + 32),
        values: &values,
        bound: Vec::with_capacity(values.len()),
        marks: 0,
    };
    writer.write_all();
    let (sql, bound) = (writer.sql, writer.bound);
    match without_duplicate_clause(&sql) {
        Some(insert) => Translated {
            if_duplicate: Some(to_statement(
                insert.replacen("INSERT INTO", "INSERT IGNORE INTO", 1),
                bound.clone(),
            )),
            statement: to_statement(insert, bound),
        },
        None => Translated {
            statement: to_statement(sql, bound),
            if_duplicate: None,
        },
    }
}

/// Translates a statement without values.
pub fn translate_text(sql: &str) -> String {
    let statement = Statement::from_string(DatabaseBackend::MySql, sql);
    translate(statement).statement.sql
}

fn to_statement(sql: String, bound: Vec<Value>) -> Statement {
    Statement {
        sql,
        values: (!bound.is_empty()).then_some(Values(bound)),
        db_backend: DatabaseBackend::MySql,
    }
}

/// The driver binds a time with its offset as TIMESTAMP, which ends in 2038: the server would take
/// a later time for NULL.
fn to_parameter(value: &Value) -> Value {
    match value {
        Value::TimeDateTimeWithTimeZone(time) => Value::TimeDateTime(time.map(|time| {
            let in_utc = time.to_offset(UtcOffset::UTC);
            PrimitiveDateTime::new(in_utc.date(), in_utc.time())
        })),
        other => other.clone(),
    }
}

/// Returns an insert without its clause `ON DUPLICATE KEY UPDATE a = a, b = b`, if that changes
/// nothing.
fn without_duplicate_clause(sql: &str) -> Option<String> {
    let (insert, assignments) = sql.split_once(" ON DUPLICATE KEY UPDATE ")?;
    let changes_nothing = assignments.split(", ").all(|assignment| {
        assignment
            .split_once(" = ")
            .is_some_and(|(column, value)| column == value)
    });
    changes_nothing.then(|| insert.to_owned())
}

struct Writer<'s> {
    rest: &'s str,
    sql: String,
    values: &'s [Value],
    bound: Vec<Value>,
    /// The marks `?` so far.
    marks: usize,
}

impl Writer<'_> {
    fn write_all(&mut self) {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\'' | '"' | '`' => self.write_quoted(c),
                '$' | '?' => match self.take_mark() {
                    Some(position) => self.write_value(position),
                    None => self.write(c.len_utf8()),
                },
                c if c.is_ascii_alphabetic() || c == '_' => self.write_word(),
                c => self.write(c.len_utf8()),
            }
        }
    }

    /// Copies `length` bytes.
    fn write(&mut self, length: usize) {
        let (text, rest) = self.rest.split_at(length);
        self.sql.push_str(text);
        self.rest = rest;
    }

    fn write_quoted(&mut self, quote: char) {
        let end = self.rest[1..].find(quote);
        self.write(end.map_or(self.rest.len(), |end| end + 2));
    }

    /// Reads `$1` or `?`, and returns the position of its value.
    fn take_mark(&mut self) -> Option<usize> {
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            self.marks += 1;
            return Some(self.marks - 1);
        }
        let digits = self.rest[1..]
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(self.rest.len() - 1);
        let position: usize = self.rest[1..=digits].parse().ok()?;
        self.rest = &self.rest[digits + 1..];
        position.checked_sub(1)
    }

    fn write_value(&mut self, position: usize) {
        self.sql.push('?');
        self.bound
            .extend(self.values.get(position).map(to_parameter));
    }

    fn write_word(&mut self) {
        let length = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(length);
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if is("ANY") && self.sql.ends_with("= ") && after.starts_with('(') {
            self.write_list(after);
        } else if is("CURRENT_TIMESTAMP") && !after.starts_with('(') {
            self.replace(length, "UTC_TIMESTAMP(6)");
        } else if is("clock_timestamp") && after.starts_with("()") {
            self.replace(length + 2, "SYSDATE(6)");
        } else if word == "bigint" && self.sql.to_ascii_uppercase().ends_with(" AS ") {
            self.replace(length, "SIGNED");
        } else if is("EXTRACT") {
            self.write_microseconds(length);
        } else {
            self.write(length);
        }
    }

    fn replace(&mut self, length: usize, with: &str) {
        self.sql.push_str(with);
        self.rest = &self.rest[length..];
    }

    /// Writes the list of `= ANY(…)`, whose `=` is written already. `after` begins with the
    /// parenthesis.
    fn write_list(&mut self, after: &str) {
        let before = self.rest.len();
        let after_length = after.len() - 1;
        self.rest = &self.rest[before - after_length..];
        let Some(position) = self.take_mark() else {
            self.sql.push_str("ANY(");
            return;
        };
        self.rest = self.rest.strip_prefix(')').unwrap_or(self.rest);
        self.sql.truncate(self.sql.len() - "= ".len());
        let members = match self.values.get(position) {
            Some(Value::Array(_, Some(members))) => members.as_slice(),
            _ => &[],
        };
        let Some(last) = members.last() else {
            self.sql.push_str(NO_MEMBER);
            return;
        };
        if members.len() > BOUND_NUMBERS_MAX
            && let Some(numbers) = numbers(members)
        {
            self.sql.push_str(&format!("IN ({})", numbers.join(", ")));
            return;
        }
        // Each length is another prepared statement: there are few lengths, and the last member
        // fills the list.
        let length = members
            .len()
            .next_power_of_two()
            .min(members.len().max(LENGTH_MAX));
        let filler = std::iter::repeat_n(last, length - members.len());
        self.bound.extend(members.iter().chain(filler).cloned());
        self.sql.push_str("IN (?");
        self.sql.push_str(&", ?".repeat(length - 1));
        self.sql.push(')');
    }

    /// Writes the microseconds between two times.
    fn write_microseconds(&mut self, length: usize) {
        let parts = self.rest.strip_prefix("EXTRACT(EPOCH FROM ");
        let parts = parts.and_then(|rest| rest.split_once(") * 1000000"));
        let parts = parts.and_then(|(between, rest)| Some((between.split_once(" - ")?, rest)));
        match parts {
            Some(((to, from), rest)) => {
                self.sql
                    .push_str(&format!("TIMESTAMPDIFF(MICROSECOND, {from}, {to})"));
                self.rest = rest;
            }
            None => self.write(length),
        }
    }
}

/// A statement has at most 65,535 values. A list of more numbers than this is a part of its text:
/// only the audits have such lists, and some use one several times.
const BOUND_NUMBERS_MAX: usize = 4_096;
/// A list of texts that is longer than this has its own length.
const LENGTH_MAX: usize = 32_768;

/// The members of a list, if they are numbers.
fn numbers(members: &[Value]) -> Option<Vec<String>> {
    let numbers = members.iter().map(|member| match member {
        Value::BigInt(Some(number)) => Some(number.to_string()),
        _ => None,
    });
    numbers.collect()
}

/// The condition for a list without members, which no row fulfils; after `NOT`, every row does.
const NO_MEMBER: &str = "IN (SELECT NULL FROM DUAL WHERE FALSE)";

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::{Expr, ExprTrait, Func, MysqlQueryBuilder, Query};
    use time::macros::datetime;

    use super::*;

    fn translated(sql: &str, values: Vec<Value>) -> (String, Vec<Value>) {
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let statement = translate(statement).statement;
        let values = statement.values.map(|values| values.0).unwrap_or_default();
        (statement.sql, values)
    }

    #[test]
    fn values_follow_the_order_of_their_marks() {
        let (sql, values) = translated(
            "UPDATE stock SET sold = sold + $2 WHERE product_id = $1 AND available >= $2 AND name <> '$1?'",
            vec![1_i64.into(), 3_i64.into()],
        );
        assert_eq!(
            sql,
            "UPDATE stock SET sold = sold + ? WHERE product_id = ? AND available >= ? AND name <> '$1?'"
        );
        assert_eq!(values, [3_i64.into(), 1_i64.into(), 3_i64.into()]);
    }

    #[test]
    fn times_are_bound_in_utc_and_do_not_end_in_2038() {
        let time = datetime!(2150-01-01 00:30:00 +01:00);
        let (_, values) = translated("UPDATE product SET at = $1", vec![time.into()]);
        assert_eq!(
            values,
            [Value::TimeDateTime(Some(datetime!(2149-12-31 23:30:00)))]
        );
    }

    #[test]
    fn lists_have_few_lengths() {
        let ids: Value = vec![1_i64, 2, 3].into();
        let (sql, values) = translated(
            "SELECT 1 FROM a WHERE a.id = ANY($2) AND b = $1",
            vec![7_i64.into(), ids],
        );
        assert_eq!(sql, "SELECT 1 FROM a WHERE a.id IN (?, ?, ?, ?) AND b = ?");
        assert_eq!(values, [1_i64, 2, 3, 3, 7].map(Value::from));
        let none: Value = Vec::<i64>::new().into();
        let (sql, values) = translated("DELETE FROM a WHERE id = ANY($1)", vec![none]);
        assert_eq!(sql, format!("DELETE FROM a WHERE id {NO_MEMBER}"));
        assert!(values.is_empty());
    }

    #[test]
    fn a_long_list_stays_below_the_number_of_values_that_a_statement_may_have() {
        let ids: Vec<i64> = (0..50_000).collect();
        let (sql, values) = translated("DELETE FROM a WHERE id = ANY($1)", vec![ids.into()]);
        assert!(values.is_empty());
        assert!(
            sql.starts_with("DELETE FROM a WHERE id IN (0, 1, 2, ") && sql.ends_with(" 49999)")
        );
        let names: Vec<String> = (0..50_000).map(|name| name.to_string()).collect();
        let (_, values) = translated("DELETE FROM a WHERE b = ANY($1)", vec![names.into()]);
        assert_eq!(values.len(), 50_000);
    }

    #[test]
    fn lists_of_the_query_builder_are_lists_too() {
        let (sql, values) = Query::select()
            .column("name")
            .from("product")
            .and_where(
                Expr::col("id")
                    .eq(Func::cust("ANY").arg(Expr::value(vec![4_i64, 5])))
                    .not(),
            )
            .and_where(Expr::col("price").gt(9))
            .build(MysqlQueryBuilder);
        let statement = Statement::from_sql_and_values(DatabaseBackend::MySql, sql, values);
        let statement = translate(statement).statement;
        assert_eq!(
            statement.sql,
            "SELECT `name` FROM `product` WHERE (NOT `id` IN (?, ?)) AND `price` > ?"
        );
        assert_eq!(statement.values.map_or(0, |values| values.0.len()), 3);
    }

    #[test]
    fn clocks_and_casts_are_those_of_the_server() {
        for (sql, expected) in [
            (
                "SELECT CURRENT_TIMESTAMP, clock_timestamp()",
                "SELECT UTC_TIMESTAMP(6), SYSDATE(6)",
            ),
            (
                "SELECT CAST(sum(bigint) AS bigint)",
                "SELECT CAST(sum(bigint) AS SIGNED)",
            ),
            (
                "2 * CAST(EXTRACT(EPOCH FROM h.b - h.a) * 1000000 AS bigint) > 1",
                "2 * CAST(TIMESTAMPDIFF(MICROSECOND, h.a, h.b) AS SIGNED) > 1",
            ),
            ("SELECT 'CURRENT_TIMESTAMP'", "SELECT 'CURRENT_TIMESTAMP'"),
        ] {
            assert_eq!(translated(sql, Vec::new()).0, expected);
        }
    }

    #[test]
    fn an_insert_that_skips_existing_rows_ignores_only_duplicates() {
        let sql = "INSERT INTO `session` (`id`) VALUES (?) ON DUPLICATE KEY UPDATE `id` = `id`";
        let statement = Statement::from_sql_and_values(DatabaseBackend::MySql, sql, ["a".into()]);
        let translated = translate(statement);
        assert_eq!(
            translated.statement.sql,
            "INSERT INTO `session` (`id`) VALUES (?)"
        );
        assert_eq!(
            translated.if_duplicate.map(|statement| statement.sql),
            Some("INSERT IGNORE INTO `session` (`id`) VALUES (?)".to_owned())
        );
        let upsert = "INSERT INTO `a` (`b`) VALUES (?) ON DUPLICATE KEY UPDATE `b` = VALUES(`b`)";
        let statement = Statement::from_string(DatabaseBackend::MySql, upsert);
        let translated = translate(statement);
        assert_eq!(translated.statement.sql, upsert);
        assert_eq!(translated.if_duplicate, None);
    }
}
