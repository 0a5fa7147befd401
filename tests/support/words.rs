//! Puts the statements that tests write by hand into the words of MySQL. They are written for
//! PostgreSQL; what the program's own translation does not know is replaced here:
//!
//! | in a test | on MySQL |
//! |---|---|
//! | `x::bigint`, `x::text` | `CAST(x AS SIGNED)`, `CAST(x AS CHAR)`; the text of a UUID has hyphens |
//! | `string_agg(x, ', ' ORDER BY id)` | `GROUP_CONCAT(x ORDER BY id SEPARATOR ', ')` |
//! | `generate_series(1, 9) n` | a table of numbers in the column `n` |
//! | `n * INTERVAL '2 hours'` | `INTERVAL n * 7200 SECOND` |
//! | `extract(epoch FROM a - b)` | seconds, with fractions |
//! | `now()`, `gen_random_uuid()`, `current_schema()`, UUIDs as texts | the same |
//! | `provider.charge` | `provider_charge` |
//! | `ALTER TABLE … DISABLE TRIGGER stock_movement_append_only` | its triggers are dropped for good |
//! | `key`, a reserved word | with quotes |
//!
//! One statement there cannot write two tables, and none can update from a join with `FROM`: tests
//! that need it send several statements.

use std::sync::LazyLock;

use doorbuster::db::{
    dialect,
    engine::{Engine, mysql::translate::translate},
};
use regex::{Captures, Regex};
use sea_orm::Statement;

/// The columns that hold UUIDs, as far as tests read them as texts.
const UUIDS: [&str; 7] = [
    "public_id",
    "reference",
    "charge_reference",
    "refund_reference",
    "charge",
    "run_id",
    "cart_id",
];

static WORDS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\bnow\(\)", "UTC_TIMESTAMP(6)"),
        (r"\bcurrent_schema\(\)", "DATABASE()"),
        (r"\bgen_random_uuid\(\)", "UNHEX(REPLACE(UUID(), '-', ''))"),
        (
            r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'",
            "UNHEX(REPLACE('$1', '-', ''))",
        ),
        (
            r"(\bSELECT |\bWHERE |\bAND |\bBY |\bWHEN |\(|, )key\b",
            "$1`key`",
        ),
        (r"\bprovider\.(charge|refund|event)\b", "provider_$1"),
        (
            r"\bALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only\b",
            "DROP TRIGGER IF EXISTS stock_movement_append_only; \
             DROP TRIGGER IF EXISTS stock_movement_append_only_delete",
        ),
        (
            r"\bALTER TABLE stock_movement ENABLE TRIGGER stock_movement_append_only\b",
            "DO 0",
        ),
    ]
    .map(|(pattern, with)| (regex(pattern), with))
    .into()
});

static CAST: LazyLock<Regex> = LazyLock::new(|| regex(r"::([a-z]\w*)"));
static SERIES: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\bgenerate_series\(1, (\d+)\) (?:AS )?(\w+)"));
static INTERVAL: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)(?:(\w+|\([^()]*\)) \* )?\binterval '([^']*)'"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

/// Puts a statement into the words of the engine.
pub fn in_words_of(engine: Engine, sql: &str) -> Statement {
    match engine {
        Engine::Postgres => dialect::statement(sql, []),
        Engine::MySql => in_mysql_words(sql),
    }
}

fn in_mysql_words(sql: &str) -> Statement {
    // A backslash is an ordinary character in a text of PostgreSQL.
    let sql = sql.replace('\\', r"\\");
    let sql = replace_calls(&sql, "string_agg(", group_concat);
    let sql = replace_calls(&sql, "extract(epoch FROM ", seconds);
    let sql = replace_casts(&sql);
    let sql = SERIES.replace_all(&sql, |series: &Captures<'_>| {
        numbers(&series[1], &series[2])
    });
    let sql = INTERVAL.replace_all(&sql, |interval: &Captures<'_>| {
        let seconds = seconds_of(&interval[2]);
        match interval.get(1) {
            Some(factor) => format!("INTERVAL {} * {seconds} SECOND", factor.as_str()),
            None => format!("INTERVAL {seconds} SECOND"),
        }
    });
    let sql = WORDS.iter().fold(sql.into_owned(), |sql, (pattern, with)| {
        pattern.replace_all(&sql, *with).into_owned()
    });
    translate(dialect::statement(&sql, [])).statement
}

/// Replaces each `name(arguments)`; `name` ends with the parenthesis.
fn replace_calls(sql: &str, name: &str, with: fn(&str) -> String) -> String {
    let mut sql = sql.to_owned();
    // The last one first: it contains no other.
    while let Some(start) = sql.rfind(name) {
        let arguments = start + name.len();
        let end = arguments + length_of_argument(&sql[arguments..], ')');
        let call = with(&sql[arguments..end]);
        sql.replace_range(start..=end, &call);
    }
    sql
}

/// The length of the text before the first `end` that is in no parentheses and in no quotes.
fn length_of_argument(text: &str, end: char) -> usize {
    let (mut depth, mut is_quoted) = (0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '\'' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            c if c == end && depth == 0 => return at,
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    panic!("no {end} in {text}");
}

fn group_concat(arguments: &str) -> String {
    let (value, rest) = arguments.split_at(length_of_argument(arguments, ','));
    let rest = rest.trim_start_matches(',').trim();
    let (separator, order) = match rest.find(" ORDER BY ") {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    format!("GROUP_CONCAT({value}{order} SEPARATOR {separator})")
}

fn seconds(argument: &str) -> String {
    match argument.split_once(" - ") {
        Some((to, from)) => format!("(TIMESTAMPDIFF(MICROSECOND, {from}, {to}) / 1e6)"),
        None => format!("UNIX_TIMESTAMP({argument})"),
    }
}

fn replace_casts(sql: &str) -> String {
    let mut sql = sql.to_owned();
    while let Some(found) = CAST.captures(&sql) {
        let whole = found.get(0).expect("a match").range();
        let start = start_of_operand(&sql[..whole.start]);
        let cast = cast(&sql[start..whole.start], &found[1]);
        sql.replace_range(start..whole.end, &cast);
    }
    sql
}

/// Where the last operand of `text` begins: a name, a number, a text in quotes, or parentheses with
/// or without the name of a function.
fn start_of_operand(text: &str) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    if let Some(quoted) = text.strip_suffix('\'') {
        return quoted.rfind('\'').expect("quotes come in pairs");
    }
    let mut end = text.len();
    if text.ends_with(')') {
        let mut depth = 0;
        for (at, c) in text.char_indices().rev() {
            match c {
                ')' => depth += 1,
                '(' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = at;
                break;
            }
        }
    }
    text[..end].trim_end_matches(is_name).len()
}

fn cast(operand: &str, kind: &str) -> String {
    let column = operand.rsplit('.').next().unwrap_or(operand);
    match kind {
        "bigint" | "int" => format!("CAST({operand} AS SIGNED)"),
        "text" if UUIDS.contains(&column) => uuid_text(operand),
        "text" => format!("CAST({operand} AS CHAR)"),
        "float8" => format!("({operand} + 0e0)"),
        _ => operand.to_owned(),
    }
}

fn uuid_text(column: &str) -> String {
    let with_hyphens = [9, 14, 19, 24]
        .iter()
        .fold(format!("HEX({column})"), |text, at| {
            format!("INSERT({text}, {at}, 0, '-')")
        });
    format!("LOWER({with_hyphens})")
}

/// A table of the numbers from 1, in the column that has the table's name.
fn numbers(last: &str, name: &str) -> String {
    let count: usize = last.parse().expect("a number");
    format!(
        "JSON_TABLE(CONCAT('[0', REPEAT(',0', {}), ']'), '$[*]' COLUMNS ({name} FOR ORDINALITY)) {name}",
        count - 1
    )
}

/// The seconds of a text like `72 hours 1 minute`.
fn seconds_of(interval: &str) -> i64 {
    let words: Vec<&str> = interval.split_whitespace().collect();
    let parts = words.chunks(2).map(|part| {
        let number: i64 = part[0].parse().expect("a whole number");
        let unit = part.get(1).copied().unwrap_or("seconds");
        number
            * match unit.trim_end_matches('s') {
                "" | "second" => 1,
                "minute" => 60,
                "hour" => 3_600,
                "day" => 86_400,
                _ => panic!("the unit of {interval}"),
            }
    });
    parts.sum()
}

#[test]
fn statements_are_put_into_other_words() {
    for (sql, expected) in [
        (
            "SELECT coalesce(sum(a.n), 0)::bigint, 'x'::text, id::text",
            "SELECT CAST(coalesce(sum(a.n), 0) AS SIGNED), CAST('x' AS CHAR), CAST(id AS CHAR)",
        ),
        (
            "SELECT o.public_id::text",
            "SELECT LOWER(INSERT(INSERT(INSERT(INSERT(HEX(o.public_id), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'))",
        ),
        (
            "SELECT string_agg(concat_ws(' ', a, b), ', ' ORDER BY id) FROM t",
            "SELECT GROUP_CONCAT(concat_ws(' ', a, b) ORDER BY id SEPARATOR ', ') FROM t",
        ),
        (
            "SELECT string_agg((SELECT string_agg(a, ',') FROM u), ')') FROM t",
            "SELECT GROUP_CONCAT((SELECT GROUP_CONCAT(a SEPARATOR ',') FROM u) SEPARATOR ')') FROM t",
        ),
        (
            "SELECT now() - INTERVAL '72 hours 1 minute', now() - (n - 1) * INTERVAL '2 days'",
            "SELECT UTC_TIMESTAMP(6) - INTERVAL 259260 SECOND, UTC_TIMESTAMP(6) - INTERVAL (n - 1) * 172800 SECOND",
        ),
        (
            "SELECT extract(epoch FROM a - b), extract(epoch FROM now())",
            "SELECT (TIMESTAMPDIFF(MICROSECOND, b, a) / 1e6), UNIX_TIMESTAMP(UTC_TIMESTAMP(6))",
        ),
        (
            "SELECT n FROM generate_series(1, 3) n",
            "SELECT n FROM JSON_TABLE(CONCAT('[0', REPEAT(',0', 2), ']'), '$[*]' COLUMNS (n FOR ORDINALITY)) n",
        ),
        (
            "SELECT key FROM provider.event WHERE key = 'key'",
            "SELECT `key` FROM provider_event WHERE `key` = 'key'",
        ),
    ] {
        assert_eq!(in_mysql_words(sql).sql, expected);
    }
}
