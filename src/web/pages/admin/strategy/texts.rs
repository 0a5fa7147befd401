//! The SQL statements and the source code of each strategy, from the files that this program was
//! built and tested with.

use crate::model::{DatabaseEngine, StrategyKey};

include!(concat!(env!("OUT_DIR"), "/strategy_files.rs"));

/// Returns the path and the contents of a strategy's source file.
pub fn source(strategy: StrategyKey) -> (&'static str, &'static str) {
    let (path, text, ..) = files_of(strategy.as_str());
    (path, text)
}

/// A line of SQL, and whether it is the decisive one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlLine {
    pub text: String,
    pub decides: bool,
}

/// Returns the statements of a sale or of a rejection, as `tests/inventory/statements.rs` has
/// recorded them, with long lists abbreviated.
pub fn statements(strategy: StrategyKey, engine: DatabaseEngine, of: Part) -> Vec<SqlLine> {
    let (_, _, recorded) = files_of(strategy.as_str());
    let heading = format!("{}: {}\n", engine.name(), of.name());
    let mut parts = recorded.split("-- ");
    let part = parts.find_map(|part| part.strip_prefix(&heading));
    part.unwrap_or_default()
        .trim()
        .lines()
        .map(|line| {
            let text = shortened(line);
            SqlLine {
                decides: text.contains(strategy.decisive_on(engine)),
                text,
            }
        })
        .collect()
}

/// A part of what is recorded on an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Sale,
    Refusal,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Sale => "a sale",
            Self::Refusal => "a refusal",
        }
    }
}

/// Longer lists of columns or values are abbreviated, because they do not help to understand the
/// strategy. In bytes.
const LIST_LEN_MAX: usize = 48;

/// Removes quotes and replaces each long list by an ellipsis.
fn shortened(line: &str) -> String {
    let line = line.replace(['"', '`'], "");
    let line = between(&line, "SELECT ", " FROM ");
    let line = between(&line, "(", ")");
    let line = between(&line, "VALUES (", ")");
    match line.split_once(" RETURNING ") {
        Some((before, list)) if list.len() > LIST_LEN_MAX => format!("{before} RETURNING …"),
        _ => line,
    }
}

/// Replaces a long list between the first `open` and the following `close` by an ellipsis.
fn between(line: &str, open: &str, close: &str) -> String {
    let parts = line
        .split_once(open)
        .and_then(|(before, rest)| Some((before, rest.split_once(close)?)));
    match parts {
        Some((before, (list, after))) if list.len() > LIST_LEN_MAX && !list.contains('(') => {
            format!("{before}{open}…{close}{after}")
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sale_has_a_decisive_line() {
        for engine in [DatabaseEngine::Postgres, DatabaseEngine::MySql] {
            for strategy in StrategyKey::ALL {
                if strategy.check_runs_on(engine, true).is_err() {
                    continue;
                }
                let sale = statements(strategy, engine, Part::Sale);
                assert!(
                    sale.iter().any(|line| line.decides),
                    "{strategy}, {engine:?}: {sale:#?}"
                );
                assert!(
                    !statements(strategy, engine, Part::Refusal).is_empty(),
                    "{strategy}, {engine:?}"
                );
            }
        }
    }

    #[test]
    fn long_lists_are_abbreviated() {
        let columns = "\"stock\".\"product_id\", \"stock\".\"total\", \"stock\".\"available\", \"stock\".\"reserved\"";
        for (line, short) in [
            (
                format!("SELECT {columns} FROM \"stock\" FOR UPDATE"),
                "SELECT … FROM stock FOR UPDATE",
            ),
            (
                format!(
                    "INSERT INTO \"order_line\" ({columns}) VALUES ($1, $2) RETURNING {columns}"
                ),
                "INSERT INTO order_line (…) VALUES ($1, $2) RETURNING …",
            ),
            (
                "SELECT pg_advisory_xact_lock($1, $2)".to_owned(),
                "SELECT pg_advisory_xact_lock($1, $2)",
            ),
        ] {
            assert_eq!(shortened(&line), short);
        }
    }

    #[test]
    fn every_strategy_has_its_own_source_file() {
        for strategy in StrategyKey::ALL {
            let (path, text) = source(strategy);
            let file = strategy.as_str().replace('-', "_");
            assert!(path.ends_with(&format!("/{file}.rs")), "{path}");
            assert!(text.contains("Choose it when"), "{path}");
        }
    }
}
