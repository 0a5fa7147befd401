//! What a strategy says to the database, and its source: the very files that this program was built and tested with.

use crate::model::StrategyKey;

/// Makes the two functions below, with one entry a strategy.
macro_rules! texts {
    ($($variant:ident = $key:literal, $file:literal;)*) => {
        /// The file of a strategy, and what stands in it.
        pub const fn source(strategy: StrategyKey) -> (&'static str, &'static str) {
            match strategy {
                $(StrategyKey::$variant => (
                    concat!("src/shop/inventory/strategies/", $file, ".rs"),
                    include_str!(concat!("../../../../shop/inventory/strategies/", $file, ".rs")),
                ),)*
            }
        }

        /// As `tests/inventory/statements.rs` holds it.
        const fn snapshot(strategy: StrategyKey) -> &'static str {
            match strategy {
                $(StrategyKey::$variant => include_str!(concat!(
                    "../../../../../tests/inventory/snapshots/", $key, ".snap"
                )),)*
            }
        }
    };
}

texts! {
    RowLock = "row-lock", "row_lock";
    RowLockNowait = "row-lock-nowait", "row_lock_nowait";
    ConditionalUpdate = "conditional-update", "conditional_update";
    CheckConstraint = "check-constraint", "check_constraint";
    Optimistic = "optimistic", "optimistic";
    Serializable = "serializable", "serializable";
    AdvisoryLock = "advisory-lock", "advisory_lock";
    SkipLockedUnits = "skip-locked-units", "skip_locked_units";
    Buckets = "buckets", "buckets";
    SingleStatement = "single-statement", "single_statement";
    EarlyRelease = "early-release", "early_release";
    MicroBatch = "micro-batch", "micro_batch";
    ProcessMutex = "process-mutex", "process_mutex";
    BlindDecrement = "blind-decrement", "blind_decrement";
    Unguarded = "unguarded", "unguarded";
}

/// A line of SQL, and whether it is the one that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlLine {
    pub text: String,
    pub decides: bool,
}

/// What is said for a sale, or for a refusal, with long lists left out.
pub fn statements(strategy: StrategyKey, of: Part) -> Vec<SqlLine> {
    let mut parts = snapshot(strategy).split("-- a ");
    let part = parts.find_map(|part| part.strip_prefix(of.heading()));
    part.unwrap_or_default()
        .trim()
        .lines()
        .map(|line| {
            let text = shortened(line);
            SqlLine {
                decides: text.contains(strategy.decisive()),
                text,
            }
        })
        .collect()
}

/// Which part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Sale,
    Refusal,
}

impl Part {
    const fn heading(self) -> &'static str {
        match self {
            Self::Sale => "sale\n",
            Self::Refusal => "refusal\n",
        }
    }
}

/// A list of columns or values longer than this says nothing about taking stock.
const LIST_LEN_MAX: usize = 48;

/// Without quotes, and with an ellipsis for each long list.
fn shortened(line: &str) -> String {
    let line = line.replace('"', "");
    let line = between(&line, "SELECT ", " FROM ");
    let line = between(&line, "(", ")");
    let line = between(&line, "VALUES (", ")");
    match line.split_once(" RETURNING ") {
        Some((before, list)) if list.len() > LIST_LEN_MAX => format!("{before} RETURNING …"),
        _ => line,
    }
}

/// Puts an ellipsis between the first `open` and the `close` after it, where there is too much between them.
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
    fn in_every_sale_a_line_decides() {
        for strategy in StrategyKey::ALL {
            let sale = statements(strategy, Part::Sale);
            assert!(
                sale.iter().any(|line| line.decides),
                "{strategy}: {sale:#?}"
            );
            assert!(
                !statements(strategy, Part::Refusal).is_empty(),
                "{strategy}"
            );
        }
    }

    #[test]
    fn long_lists_are_left_out() {
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
    fn every_source_is_that_of_its_strategy() {
        for strategy in StrategyKey::ALL {
            let (path, text) = source(strategy);
            let file = strategy.as_str().replace('-', "_");
            assert!(path.ends_with(&format!("/{file}.rs")), "{path}");
            assert!(text.contains("Choose it when"), "{path}");
        }
    }
}
