//! What may stand in one place only.

use doorbuster::model::StrategyKey;
use regex::Regex;

use super::source::{self, Source, Strings};

/// A thing, and the files or folders where it may stand.
struct Home {
    what: &'static str,
    pattern: &'static str,
    strings: Strings,
    at: &'static [&'static str],
}

const HOMES: &[Home] = &[
    Home {
        what: "the database's driver",
        pattern: r"\b(sea_orm|sqlx|sea_query)\b",
        strings: Strings::Blanked,
        at: &[
            "src/db.rs",
            "src/db/",
            "src/shop.rs",
            "src/shop/",
            "src/simulation/store.rs",
            "src/simulation/store/",
            "src/simulation/stepper.rs",
            // A program of its own, with tables of its own.
            "src/payment/provider/store.rs",
            "src/payment/provider/store/",
        ],
    },
    Home {
        what: "the beginning of a transaction",
        pattern: r"\.\s*(begin|begin_with|begin_with_config|begin_with_options|transaction|transaction_with_config|transaction_with_options)\s*(::<.*?>)?\(|TransactionTrait\s*::\s*\w",
        strings: Strings::Blanked,
        at: &["src/db/txn.rs", "src/simulation/stepper.rs"],
    },
    Home {
        what: "a row lock",
        pattern: r"(?i)\block_exclusive\b|\block_with_\w+|(?-i:\bLockType\b|\bLockBehavior\b)|\bFOR\s+(NO\s+KEY\s+)?UPDATE\b|\bFOR\s+(KEY\s+)?SHARE\b",
        strings: Strings::Kept,
        at: &["src/db/locks.rs", "src/payment/provider/store/"],
    },
    Home {
        what: "an absolute write to the hot row",
        pattern: r"\bcounters::overwrite\b",
        strings: Strings::Blanked,
        at: &[
            "src/shop/inventory/strategies/process_mutex.rs",
            "src/shop/inventory/strategies/unguarded.rs",
        ],
    },
    Home {
        what: "what only one database understands",
        pattern: r"\bpg_\w+\s*\(|\bSKIP\s+LOCKED\b|\bNOWAIT\b",
        strings: Strings::Kept,
        at: &[
            "src/db/",
            "src/shop/inventory/strategies/",
            "src/payment/provider/store/",
        ],
    },
];

/// Text for people, which may speak of SQL: the driver is not at hand there.
const WORDS_ONLY: &[&str] = &["src/model/", "src/ui/", "src/islands/", "src/web/"];

/// Lines of `source` on which something stands that has its home elsewhere.
fn strayed(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for home in HOMES {
        let is_in = |places: &[&str]| {
            places.iter().any(|place| {
                source.path == *place || (place.ends_with('/') && source.path.starts_with(place))
            })
        };
        if is_in(home.at) || (home.strings == Strings::Kept && is_in(WORDS_ONLY)) {
            continue;
        }
        let pattern = Regex::new(home.pattern).expect("a pattern");
        let code = source.code(home.strings);
        found.extend(pattern.find_iter(&code).map(|stray| {
            let line = code[..stray.start()].matches('\n').count() + 1;
            format!(
                "{}:{line}: {} ({}) belongs into {}",
                source.path,
                home.what,
                stray.as_str().trim(),
                home.at.join(", ")
            )
        }));
    }
    found
}

#[test]
fn everything_stands_where_it_belongs() {
    let found: Vec<_> = source::all().iter().flat_map(strayed).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_strayed_is_caught() {
    for (path, text, expected) in [
        ("src/web/session.rs", "use sea_orm::EntityTrait;", 1),
        (
            "src/simulation/engine.rs",
            "let row: sea_orm::Value = x;",
            1,
        ),
        ("src/simulation/store.rs", "use sea_orm::EntityTrait;", 0),
        ("src/payment/gateway.rs", "use sea_orm::Value;", 1),
        (
            "src/payment/provider/store/events.rs",
            "use sea_orm::sqlx;",
            0,
        ),
        (
            "src/telemetry.rs",
            "const FILTER: &str = \"sea_orm=warn,sqlx=warn\";",
            0,
        ),
        ("src/shop/cart.rs", "db.reader().begin().await?;", 1),
        (
            "src/shop/cart.rs",
            "db\n    .reader()\n    .begin_with_config(None, None)",
            1,
        ),
        (
            "src/shop/cart.rs",
            "db.transaction::<_, (), DbErr>(|t| body(t))",
            1,
        ),
        ("src/shop/cart.rs", "TransactionTrait::begin(db)", 1),
        ("src/db/connect.rs", "connection.begin()", 1),
        ("src/db/txn.rs", "connection.begin()", 0),
        (
            "src/shop/cart.rs",
            "// connection.begin()\nlet beginning = run.begin;",
            0,
        ),
        (
            "src/shop/cart.rs",
            "stock::Entity::find().lock_exclusive()",
            1,
        ),
        (
            "src/shop/cart.rs",
            "find().lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)",
            3,
        ),
        (
            "src/shop/inventory/strategies/row_lock.rs",
            "//! `SELECT … FOR UPDATE`, check, update.",
            0,
        ),
        (
            "src/shop/inventory/strategies/row_lock.rs",
            "let sql = \"SELECT 1 FROM stock for update\";",
            1,
        ),
        ("src/db/locks.rs", "find().lock_exclusive()", 0),
        (
            "src/web/pages/cart.rs",
            "let words = \"locked with SELECT … FOR UPDATE\";",
            0,
        ),
        (
            "src/shop/checkout.rs",
            "counters::overwrite(work, &row, 1, 2)",
            1,
        ),
        (
            "src/shop/orders.rs",
            "let sql = \"SELECT pg_advisory_lock(1)\";",
            1,
        ),
    ] {
        let found = strayed(&Source::new(path, text));
        assert_eq!(
            found.len(),
            expected,
            "{path}: {text}\n{}",
            found.join("\n")
        );
    }
}

const HEADINGS: [&str; 4] = [
    "Guarantees",
    "Cost under contention",
    "Fails as",
    "Choose it when",
];

/// What a strategy's file does not say about itself, under which heading.
fn unsaid(source: &Source) -> Vec<String> {
    let doc: Vec<&str> = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect();
    let heading = |line: &str| line.strip_prefix("//! # ").map(ToOwned::to_owned);
    let found: Vec<String> = doc.iter().filter_map(|line| heading(line)).collect();
    let mut missing: Vec<String> = HEADINGS
        .iter()
        .filter(|wanted| {
            let at = doc
                .iter()
                .position(|line| heading(line).as_deref() == Some(**wanted));
            // Something must stand below it.
            at.is_none_or(|at| {
                doc.get(at + 1)
                    .is_none_or(|below| below.len() <= "//! ".len())
            })
        })
        .map(|wanted| format!("{}: nothing under “{wanted}”", source.path))
        .collect();
    if missing.is_empty() && found != HEADINGS {
        missing.push(format!("{}: the headings are {found:?}", source.path));
    }
    missing
}

#[test]
fn every_strategy_says_the_same_four_things() {
    let strategies: Vec<_> = source::all()
        .into_iter()
        .filter(|source| source.path.starts_with("src/shop/inventory/strategies/"))
        .collect();
    let missing: Vec<_> = strategies.iter().flat_map(unsaid).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let keys: Vec<_> = StrategyKey::ALL
        .iter()
        .map(|key| key.as_str().replace('-', "_"))
        .collect();
    for key in &keys {
        assert!(
            strategies
                .iter()
                .any(|source| source.path.ends_with(&format!("/{key}.rs"))),
            "{key} has no file"
        );
    }
    assert_eq!(strategies.len(), keys.len(), "one file a strategy");
}

#[test]
fn a_strategy_that_says_too_little_is_caught() {
    let whole = "//! `x`.\n//!\n//! # Guarantees\n//! All.\n//!\n//! # Cost under contention\n//! None.\n//!\n//! # Fails as\n//! Never.\n//!\n//! # Choose it when\n//! Always.\n";
    let check = |text: &str| unsaid(&Source::new("src/shop/inventory/strategies/x.rs", text)).len();
    assert_eq!(check(whole), 0);
    assert_eq!(check(&whole.replace("//! # Fails as\n", "")), 1);
    assert_eq!(check(&whole.replace("//! None.\n", "")), 1);
    assert_eq!(check(&whole.replace("//!", "///")), 4);
    assert_eq!(check(""), 4);
}
