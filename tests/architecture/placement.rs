//! Code that is allowed in certain files only.

use std::sync::LazyLock;

use regex::Regex;

use crate::source::{self, Source, Strings};

/// A code pattern, and the files or folders where it is allowed.
struct Placement {
    what: &'static str,
    pattern: &'static str,
    strings: Strings,
    allowed_in: &'static [&'static str],
}

const PLACEMENTS: &[Placement] = &[
    Placement {
        what: "the database driver",
        pattern: r"\b(sea_orm|sqlx|sea_query)\b",
        strings: Strings::Blanked,
        allowed_in: &[
            "src/db.rs",
            "src/db/",
            "src/shop.rs",
            "src/shop/",
            "src/simulation/store.rs",
            "src/simulation/store/",
            // A separate program with its own tables.
            "src/payment/provider/store.rs",
            "src/payment/provider/store/",
        ],
    },
    Placement {
        what: "the driver of Redis",
        pattern: r"(^|[^\w:])::redis::",
        strings: Strings::Blanked,
        allowed_in: &["src/redis.rs", "src/redis/"],
    },
    Placement {
        what: "the start of a transaction",
        pattern: r"\.\s*(begin|begin_with|begin_with_config|begin_with_options|transaction|transaction_with_config|transaction_with_options)\s*(::<.*?>)?\(|TransactionTrait\s*::\s*\w",
        strings: Strings::Blanked,
        allowed_in: &["src/db/txn.rs"],
    },
    Placement {
        what: "a row lock",
        pattern: r"\block_exclusive\b|\block_with_\w+|\bLockType\b|\bLockBehavior\b|(?i:\bFOR\s+(NO\s+KEY\s+)?UPDATE\b|\bFOR\s+(KEY\s+)?SHARE\b)",
        strings: Strings::Kept,
        allowed_in: &[
            "src/db/locks.rs",
            // It asks which rows are locked, and skips them.
            "src/db/engine/mysql/row_locks.rs",
            // It recognises such statements.
            "src/simulation/stepper/row_claims.rs",
            "src/payment/provider/store/",
            // One statement locks, sells and writes.
            "src/shop/inventory/strategies/micro_batch/statement.rs",
        ],
    },
    Placement {
        what: "an absolute write to the stock row",
        pattern: r"\bcounters::overwrite\b",
        strings: Strings::Blanked,
        allowed_in: &[
            "src/shop/inventory/strategies/process_mutex.rs",
            "src/shop/inventory/strategies/redis_lock_unfenced.rs",
            "src/shop/inventory/strategies/unguarded.rs",
        ],
    },
    Placement {
        what: "the application's clock",
        pattern: r"\bnow_utc\b|\bSystemTime\b",
        strings: Strings::Blanked,
        allowed_in: &[
            // A signature is valid for minutes, on any machine.
            "src/web/json/webhook.rs",
            // They compare this machine's clock with the database's.
            "src/command/preflight/",
            "src/db/clock.rs",
            // A number of an attempt is valid for two minutes, on any machine.
            "src/web/retry_page.rs",
            // A page says until when a session, which lives in this process, is kept.
            "src/simulation/stepper/session.rs",
            // The simulated provider is another program.
            "src/payment/provider/",
        ],
    },
    Placement {
        what: "an expression that only PostgreSQL has",
        pattern: r"\bextension::postgres\b|\bPg(Func|Expr|BinOper)\b",
        strings: Strings::Blanked,
        // The builder for MySQL panics at them.
        allowed_in: &[],
    },
    Placement {
        what: "the path of a request",
        pattern: r"\buri\s*(\(\s*\))?\s*\.\s*path(_and_query)?\b|\bOriginalUri\b",
        strings: Strings::Blanked,
        allowed_in: &["src/web/request_path.rs"],
    },
    Placement {
        what: "the administrator of a session",
        pattern: r"\bof_signed_in_session\b",
        strings: Strings::Blanked,
        allowed_in: &["src/shop/administrator.rs", "src/web/session.rs"],
    },
    Placement {
        what: "a reconciliation of gates without an administrator",
        pattern: r"\bgates\(\)\s*\.\s*reconcile\b",
        strings: Strings::Blanked,
        allowed_in: &["src/web/maintenance/"],
    },
    Placement {
        what: "the administrator of a command",
        pattern: r"\bat_the_command_line\b",
        strings: Strings::Blanked,
        allowed_in: &["src/shop/administrator.rs", "src/command/"],
    },
];

/// Modules whose strings are texts for people and may mention SQL: they cannot use the driver.
pub const TEXTS_ONLY: &[&str] = &["src/model/", "src/ui/", "src/islands/", "src/web/"];

static PATTERNS: LazyLock<Vec<(&Placement, Regex)>> = LazyLock::new(|| {
    let pattern = |placement: &Placement| Regex::new(placement.pattern).expect("a valid pattern");
    PLACEMENTS
        .iter()
        .map(|placement| (placement, pattern(placement)))
        .collect()
});

/// Returns the lines of `source` with a pattern that is not allowed there.
fn misplaced(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let (blanked, kept) = (source.code(Strings::Blanked), source.code(Strings::Kept));
    for (placement, pattern) in PATTERNS.iter() {
        let is_in = |places: &[&str]| {
            places.iter().any(|place| {
                source.path == *place || (place.ends_with('/') && source.path.starts_with(place))
            })
        };
        if is_in(placement.allowed_in) || (placement.strings == Strings::Kept && is_in(TEXTS_ONLY))
        {
            continue;
        }
        let code = match placement.strings {
            Strings::Blanked => &blanked,
            Strings::Kept => &kept,
        };
        found.extend(pattern.find_iter(code).map(|occurrence| {
            let line = code[..occurrence.start()].matches('\n').count() + 1;
            format!(
                "{}:{line}: {} ({}) is allowed only in {}",
                source.path,
                placement.what,
                occurrence.as_str().trim(),
                placement.allowed_in.join(", ")
            )
        }));
    }
    found
}

#[test]
fn restricted_code_is_only_where_it_is_allowed() {
    let found: Vec<_> = source::all().iter().flat_map(misplaced).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Types of columns that other engines do not have.
fn engine_specific_columns(source: &Source) -> Vec<String> {
    let pattern = Regex::new(r"\bVec<|\bJson\b|\bJsonBinary\b|\bDeriveActiveEnum\b");
    let pattern = pattern.expect("a valid pattern");
    let code = source.code(Strings::Blanked);
    let found = pattern.find_iter(&code);
    found
        .map(|column| format!("{}: {}", source.path, column.as_str()))
        .collect()
}

#[test]
fn entities_use_types_that_every_engine_has() {
    let found: Vec<_> = source::all()
        .iter()
        .filter(|source| source.path.starts_with("src/db/entity/"))
        .flat_map(engine_specific_columns)
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let entity = "pub struct Model {\n    pub tags: Vec<String>,\n    pub body: Json,\n}";
    let entity = Source::new("src/db/entity/x.rs", entity);
    assert_eq!(engine_specific_columns(&entity).len(), 2);
}

#[test]
fn misplaced_code_is_found() {
    for (path, text, expected) in [
        ("src/web/session.rs", "use sea_orm::EntityTrait;", 1),
        (
            "src/simulation/engine.rs",
            "let row: sea_orm::Value = x;",
            1,
        ),
        ("src/simulation/store.rs", "use sea_orm::EntityTrait;", 0),
        ("src/shop/gates.rs", "use ::redis::Client;", 1),
        ("src/redis/connection.rs", "use ::redis::Client;", 0),
        ("src/shop/gates.rs", "use crate::redis::Redis;", 0),
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
            "src/shop/holds.rs",
            "let now = OffsetDateTime::now_utc();",
            1,
        ),
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
            "query.filter(Expr::col(Column::Id).eq(PgFunc::any(ids)))",
            1,
        ),
        (
            "src/api/stock_admin.rs",
            "shop.administrators().of_signed_in_session(None).await",
            1,
        ),
        (
            "src/web/session.rs",
            "shop.administrators().of_signed_in_session(None).await",
            0,
        ),
        (
            "src/api/gates.rs",
            "visit.shop().gates().reconcile().await",
            1,
        ),
        (
            "src/web/maintenance/stock_gates.rs",
            "shop.gates().reconcile().await",
            0,
        ),
        (
            "src/web/session.rs",
            "Administrator::at_the_command_line()",
            1,
        ),
        (
            "src/command/sweep.rs",
            "Administrator::at_the_command_line()",
            0,
        ),
        (
            "src/web/security.rs",
            "is_open(request.uri().path()) && is_open(parts.uri.path())",
            2,
        ),
        ("src/web/security.rs", "is_open(path_of(request.uri()))", 0),
    ] {
        let found = misplaced(&Source::new(path, text));
        assert_eq!(
            found.len(),
            expected,
            "{path}: {text}\n{}",
            found.join("\n")
        );
    }
}
