//! Which code writes the tables of stock: the counters, the movements that explain them, and the
//! reservations. Everything else calls that code, so that no counter changes without its movement.

use std::sync::LazyLock;

use regex::Regex;

use crate::{
    placement::TEXTS_ONLY,
    source::{self, Source, Strings, is_in_module},
};

/// The tables with these counters: a stock row, and the rows of the other layouts.
const STOCK: &str = "stock";
const MOVEMENTS: &str = "stock_movement";
const HOLDS: &str = "hold";
/// The name of the table is computed, so that any of them may be meant.
const COMPUTED: &str = "a computed table";

/// A module that may write some of the tables.
struct Writer {
    /// The path of its file, without the extension. The files of its folder belong to it.
    module: &'static str,
    tables: &'static [&'static str],
    reason: &'static str,
}

const WRITERS: &[Writer] = &[
    Writer {
        module: "src/shop/inventory/counters",
        tables: &[STOCK],
        reason: "the relative, conditional writes that everything else calls",
    },
    Writer {
        module: "src/shop/inventory/layout",
        tables: &[STOCK],
        reason: "the stock of a new product",
    },
    Writer {
        module: "src/shop/inventory/strategies",
        tables: &[STOCK, MOVEMENTS],
        reason: "a strategy is the statements that it sends",
    },
    Writer {
        module: "src/shop/ledger",
        tables: &[MOVEMENTS],
        reason: "appends movements",
    },
    Writer {
        module: "src/shop/holds",
        tables: &[HOLDS],
        reason: "reserves, extends and releases",
    },
    Writer {
        module: "src/simulation/store/exhibits",
        tables: &[STOCK, HOLDS],
        reason: "the faulty rules of lessons, on their private products",
    },
    Writer {
        module: "src/simulation/store/stepping",
        tables: &[HOLDS],
        reason: "the times of a story's holds, on its private products",
    },
    Writer {
        module: "src/simulation/store/reservations",
        tables: &[HOLDS],
        reason: "ends what buyers of an aborted lane hold of its private product",
    },
    Writer {
        module: "src/simulation/store/pruning",
        tables: &[STOCK, MOVEMENTS, COMPUTED],
        reason: "deletes old runs with their private products",
    },
    Writer {
        module: "src/simulation/store/lessons",
        tables: &[MOVEMENTS],
        reason: "deletes old lessons with their private products",
    },
    Writer {
        module: "src/db/retention",
        tables: &[COMPUTED],
        reason: "deletes expired rows of the tables that its callers name",
    },
];

const NAMES: &str = "stock|stock_bucket|stock_unit|stock_movement|hold";

/// A statement in a string. The functions and triggers of the database are in `migration`.
static STATEMENTS: LazyLock<Regex> = LazyLock::new(|| {
    let verbs = "insert into|insert ignore into|replace into|merge into|update|delete from|truncate|truncate table";
    Regex::new(&format!(
        r#"(?i)\b(?:{verbs})\s+[`"\\]*(?<table>(?:{NAMES})\b|\{{)"#
    ))
    .expect("a pattern")
});
/// The query builder, and rows that `db::retention` deletes or empties.
static BUILDERS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = [
        format!(r"\b(?<table>{NAMES})::(?:ActiveModel\b|Entity\s*::\s*(?:insert|update|delete))"),
        format!(r"\b(?:UpdateMany|DeleteMany|Insert)<(?<table>{NAMES})::"),
        format!(r"\.\s*(?:into_table|from_table|table)\(\s*(?<table>{NAMES})::"),
        format!(r#"\btable: "(?<table>{NAMES})""#),
        r"\.\s*(?:into_table|from_table|table)\((?<table>self\.)".to_owned(),
    ];
    let patterns = patterns
        .iter()
        .map(|pattern| Regex::new(pattern).expect("a pattern"));
    patterns.collect()
});

fn table(name: &str) -> &'static str {
    match name {
        "stock_movement" => MOVEMENTS,
        "hold" => HOLDS,
        "{" | "self." => COMPUTED,
        _ => STOCK,
    }
}

/// The tables that a source writes, each with its line.
fn writes(source: &Source) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    for (line, text) in source.strings() {
        let statements = STATEMENTS.captures_iter(&text);
        found.extend(statements.map(|statement| (table(&statement["table"]), line)));
    }
    let code = source.code(Strings::Kept);
    for pattern in BUILDERS.iter() {
        for built in pattern.captures_iter(&code) {
            let name = built.name("table").expect("each pattern names it");
            let line = code[..name.start()].matches('\n').count() + 1;
            found.push((table(name.as_str()), line));
        }
    }
    found
}

/// The writes of a source that no writer is listed for.
fn unlisted(source: &Source) -> Vec<String> {
    let mut writers = WRITERS
        .iter()
        .filter(|writer| is_in_module(source, writer.module));
    let writer = writers.next();
    writes(source)
        .into_iter()
        .filter(|(table, _)| writer.is_none_or(|writer| !writer.tables.contains(table)))
        .map(|(table, line)| {
            format!(
                "{}:{line}: writes {table}: call shop::inventory, shop::holds or shop::ledger, or \
                 add the module here",
                source.path
            )
        })
        .collect()
}

/// The sources that may send SQL. The strings of all others are texts for people.
fn sources() -> Vec<Source> {
    let mut sources = source::production();
    sources.retain(|source| {
        !TEXTS_ONLY
            .iter()
            .any(|folder| source.path.starts_with(folder))
    });
    sources
}

#[test]
fn only_the_listed_modules_write_stock() {
    let found: Vec<_> = sources().iter().flat_map(unlisted).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_listed_module_writes_its_tables() {
    let sources = sources();
    for Writer {
        module,
        tables,
        reason,
    } in WRITERS
    {
        let of_module = sources.iter().filter(|source| is_in_module(source, module));
        let written: Vec<_> = of_module.flat_map(writes).map(|(table, _)| table).collect();
        for table in *tables {
            assert!(
                written.contains(table),
                "{module} does not write {table} ({reason}): remove it from the list"
            );
        }
    }
}

#[test]
fn a_write_is_found() {
    for (text, expected) in [
        ("let sql = \"UPDATE stock SET sold = 1\";", STOCK),
        (
            "let sql = \"update \\\"stock_bucket\\\" SET sold = 1\";",
            STOCK,
        ),
        (
            "let sql = \"WITH w AS (DELETE FROM hold WHERE id = $1)\";",
            HOLDS,
        ),
        (
            "let sql = \"INSERT INTO\n  `stock_movement` (id)\";",
            MOVEMENTS,
        ),
        ("let sql = format!(\"DELETE FROM {table}\");", COMPUTED),
        ("hold::Entity::update_many()", HOLDS),
        ("stock_unit::Entity\n    ::delete_by_id(1)", STOCK),
        ("let row = stock::ActiveModel { id };", STOCK),
        ("Query::update().table(stock_movement::Entity)", MOVEMENTS),
        ("ExpiredRows { table: \"hold\", key }", HOLDS),
        ("Query::delete().from_table(self.table)", COMPUTED),
    ] {
        let source = Source::new("src/shop/cart.rs", &format!("\n{text}"));
        let found = writes(&source);
        assert!(
            found.iter().any(|(table, _)| *table == expected),
            "{text}: {found:?}"
        );
        assert!(!unlisted(&source).is_empty(), "{text}");
    }
}

#[test]
fn reads_and_other_tables_are_no_writes() {
    for text in [
        "let sql = \"SELECT 1 FROM stock JOIN hold USING (product_id)\";",
        "let sql = \"UPDATE stock_level_name SET holding = 1\";",
        "stock::Entity::find_by_id(1)",
        "// UPDATE stock SET sold = 1",
    ] {
        let found = writes(&Source::new("src/shop/cart.rs", text));
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    let other = Source::new("src/shop/ledger.rs", "hold::Entity::update_many()");
    assert_eq!(unlisted(&other).len(), 1, "a writer of movements");
}
