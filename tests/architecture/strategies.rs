//! What belongs to a strategy, beside its row of the registry.
//!
//! One message names everything that a new strategy still lacks, so that a contributor need not
//! find it out one failed test at a time.

use std::fs;

use regex::Regex;

use crate::source::{self, Source};

const HEADINGS: [&str; 4] = [
    "Guarantees",
    "Cost under contention",
    "Fails as",
    "Choose it when",
];

/// Returns the sections that are missing in the documentation of a strategy's file.
fn missing_sections(source: &Source) -> Vec<String> {
    let doc: Vec<&str> = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect();
    let heading = |line: &str| line.strip_prefix("//! # ").map(ToOwned::to_owned);
    let found: Vec<String> = doc.iter().filter_map(|line| heading(line)).collect();
    let mut missing: Vec<String> = HEADINGS
        .iter()
        .filter(|required| {
            let at = doc
                .iter()
                .position(|line| heading(line).as_deref() == Some(**required));
            // The section must not be empty.
            at.is_none_or(|at| {
                doc.get(at + 1)
                    .is_none_or(|below| below.len() <= "//! ".len())
            })
        })
        .map(|required| format!("{}: no text under “{required}”", source.path))
        .collect();
    if missing.is_empty() && found != HEADINGS {
        missing.push(format!("{}: the headings are {found:?}", source.path));
    }
    missing
}

/// A row of the registry, as far as its text says.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    key: String,
    colour: String,
    colour_dark: String,
    dash: String,
    decisive: String,
    /// If it is another part of the statements there.
    decisive_on_mysql: Option<String>,
    runs_on_mysql: bool,
}

/// The rows of `src/model/strategy/registry.rs`.
fn rows(registry: &str) -> Vec<Row> {
    let field = |row: &str, name: &str| {
        let pattern = Regex::new(&format!(r#"(?m)^\s*{name}: "([^"]*)""#)).expect("a pattern");
        let found = pattern.captures(row);
        found.map(|found| found[1].to_owned()).unwrap_or_default()
    };
    let on_mysql = Regex::new(r#"decisive_on_mysql: Some\("([^"]*)"\)"#).expect("a pattern");
    let begin = Regex::new(r"(?m)^    \w+ \{$").expect("a pattern");
    let starts: Vec<usize> = begin.find_iter(registry).map(|row| row.start()).collect();
    let ends = starts.iter().skip(1).copied().chain([registry.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let row = &registry[*start..end];
            Row {
                key: field(row, "key"),
                colour: field(row, "colour"),
                colour_dark: field(row, "colour_dark"),
                dash: field(row, "dash"),
                decisive: field(row, "decisive"),
                decisive_on_mysql: on_mysql.captures(row).map(|found| found[1].to_owned()),
                runs_on_mysql: row.contains("engines: Engines::All"),
            }
        })
        .collect()
}

/// An engine as the recorded statements name it, and the command that runs a test on it.
const POSTGRES: (&str, &str) = ("PostgreSQL", "./makew integration");
const MYSQL: (&str, &str) = ("MySQL and MariaDB", "scripts/test-engines.sh mariadb");

fn read(path: &str) -> Option<String> {
    fs::read_to_string(source::root().join(path)).ok()
}

/// What the recorded statements of a strategy lack on an engine, with the command that records
/// them.
fn lacks_in_snapshot(key: &str, decisive: &str, engine: (&str, &str)) -> Option<String> {
    let snapshot = format!("tests/inventory/snapshots/{key}.sql");
    let (engine, command) = engine;
    let text = read(&snapshot).unwrap_or_default();
    let mut parts = text.split("-- ");
    let heading = format!("{engine}: a sale\n");
    let Some(sale) = parts.find_map(|part| part.strip_prefix(heading.as_str())) else {
        return Some(format!(
            "{snapshot}: its statements on {engine}; run `INSTA_UPDATE=always {command} \
             inventory::statements`, which writes them, and read them"
        ));
    };
    let is_there = sale.replace(['"', '`'], "").contains(decisive);
    (decisive.is_empty() || !is_there).then(|| {
        format!("the decisive {decisive:?} is in no statement of a sale on {engine} in {snapshot}")
    })
}

/// Everything that `row` lacks, a line each.
fn lacks(row: &Row) -> Vec<String> {
    let Row { key, decisive, .. } = row;
    let file = format!("src/shop/inventory/strategies/{}.rs", key.replace('-', "_"));
    let mut lacks = Vec::new();
    match read(&file) {
        None => lacks.push(format!("{file}: the strategy's code")),
        Some(text) => lacks.extend(missing_sections(&Source::new(&file, &text))),
    }
    lacks.extend(lacks_in_snapshot(key, decisive, POSTGRES));
    if row.runs_on_mysql {
        let decisive = row.decisive_on_mysql.as_ref().unwrap_or(decisive);
        lacks.extend(lacks_in_snapshot(key, decisive, MYSQL));
    }
    for (name, value) in [
        ("colour", &row.colour),
        ("colour_dark", &row.colour_dark),
        ("dash", &row.dash),
    ] {
        if value.is_empty() {
            lacks.push(format!("`{name}` in its row of the registry"));
        }
    }
    lacks
}

fn registry() -> Vec<Row> {
    let path = source::root().join("src/model/strategy/registry.rs");
    let rows = rows(&fs::read_to_string(path).expect("the registry can be read"));
    assert!(rows.len() > 10, "the rows were found: {rows:?}");
    rows
}

#[test]
fn every_strategy_is_complete() {
    let missing: Vec<String> = registry()
        .iter()
        .filter_map(|row| {
            let lacks = lacks(row);
            let list = lacks.join("\n  ");
            (!lacks.is_empty()).then(|| format!("{} lacks:\n  {list}", row.key))
        })
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_record_of_statements_belongs_to_a_strategy() {
    let rows = registry();
    let folder = source::root().join("tests/inventory/snapshots");
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let entry = entry.expect("a readable entry");
        // A folder of an earlier version may still be there, with files that git ignores.
        if entry.path().is_dir() {
            continue;
        }
        let file = entry.file_name();
        let key = file.to_string_lossy().replace(".sql", "");
        assert!(
            rows.iter().any(|row| row.key == key),
            "tests/inventory/snapshots/{} belongs to no strategy",
            file.display()
        );
    }
}

#[test]
fn every_file_of_a_strategy_has_its_row() {
    let rows = registry();
    for source in source::all() {
        let file = source.path.strip_prefix("src/shop/inventory/strategies/");
        let Some(file) = file.and_then(|file| file.strip_suffix(".rs")) else {
            continue;
        };
        // The parts of a strategy are in a folder of its name.
        let file = file.split('/').next().unwrap_or(file);
        assert!(
            rows.iter().any(|row| row.key.replace('-', "_") == file),
            "{} has no row in src/model/strategy/registry.rs",
            source.path
        );
    }
}

#[test]
fn the_colours_of_strategies_are_only_in_the_registry() {
    let colours: Vec<String> = registry()
        .into_iter()
        .flat_map(|row| [row.colour, row.colour_dark])
        .collect();
    assert!(
        colours.iter().all(|colour| colour.len() == 7),
        "{colours:?}"
    );
    let texts = source::texts().into_iter().filter(|text| {
        let folders = ["src/", "style/", "public/", "build.rs"];
        text.path != "src/model/strategy/registry.rs"
            && folders.iter().any(|folder| text.path.starts_with(folder))
    });
    for text in texts {
        let repeated = colours.iter().find(|colour| text.text.contains(*colour));
        assert_eq!(repeated, None, "{} repeats a strategy's colour", text.path);
    }
}

#[test]
fn what_a_strategy_lacks_is_found() {
    let registry = "strategies! {\n    /// `x`.\n    X {\n        key: \"x\",\n        colour: \"#000001\",\n        colour_dark: \"#000002\",\n    }\n    Y {\n        key: \"row-lock\",\n        colour: \"#000001\",\n        colour_dark: \"#000002\",\n        dash: \"1 2\",\n        decisive: \"FOR UPDATE\",\n    }\n}";
    let rows = rows(registry);
    assert_eq!(rows.len(), 2);
    assert_eq!(lacks(&rows[0]).len(), 3, "code, statements and dash");
    assert_eq!(lacks(&rows[1]), [""; 0]);
    let broken = Row {
        decisive: "NEVER SENT".to_owned(),
        ..rows.into_iter().nth(1).expect("y")
    };
    assert_eq!(lacks(&broken).len(), 1);
}

#[test]
fn missing_strategy_documentation_is_found() {
    let complete = "//! `x`.\n//!\n//! # Guarantees\n//! All.\n//!\n//! # Cost under contention\n//! None.\n//!\n//! # Fails as\n//! Never.\n//!\n//! # Choose it when\n//! Always.\n";
    let check = |text: &str| {
        missing_sections(&Source::new("src/shop/inventory/strategies/x.rs", text)).len()
    };
    assert_eq!(check(complete), 0);
    assert_eq!(check(&complete.replace("//! # Fails as\n", "")), 1);
    assert_eq!(check(&complete.replace("//! None.\n", "")), 1);
    assert_eq!(check(&complete.replace("//!", "///")), 4);
    assert_eq!(check(""), 4);
}
