//! Puts the statements that tests write by hand into the words of MySQL. They are written for
//! PostgreSQL; what the program's own translation does not know is replaced here.

use std::sync::LazyLock;

use doorbuster::db::{dialect, engine::mysql::translate::translate};
use regex::Regex;
use sea_orm::Statement;

static WORDS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"(?i)\binterval '(-?\d+) ([a-z]+?)s?'", "INTERVAL $1 $2"),
        (r"\bnow\(\)", "UTC_TIMESTAMP(6)"),
        (r"\bgen_random_uuid\(\)", "UNHEX(REPLACE(UUID(), '-', ''))"),
        (
            r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'",
            "UNHEX(REPLACE('$1', '-', ''))",
        ),
        (r"(\bSELECT |\bWHERE |\bAND |\bBY |\(|, )key\b", "$1`key`"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
    .into()
});

/// Translates a statement.
pub fn in_mysql_words(sql: &str) -> Statement {
    let sql = WORDS.iter().fold(sql.to_owned(), |sql, (pattern, with)| {
        pattern.replace_all(&sql, *with).into_owned()
    });
    translate(dialect::statement(&sql, [])).statement
}
