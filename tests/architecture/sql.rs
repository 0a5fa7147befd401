//! SQL that not every database engine understands: where it may be, and why.
//!
//! Everything else is built with the query builder, or is standard SQL with the functions of
//! `db::dialect`, so that another engine needs only another dialect.

use std::sync::LazyLock;

use regex::Regex;

use crate::{
    placement::TEXTS_ONLY,
    source::{Source, is_in_module},
};

const INTERVAL: &str = "INTERVAL";
const FILTER: &str = "FILTER (…)";
const ANY: &str = "= ANY";
const SERIES: &str = "generate_series";
const UNNEST: &str = "unnest(…)";
const ORDINALITY: &str = "WITH ORDINALITY";
const CAST: &str = "a cast with ::";
const TYPE: &str = "a type of PostgreSQL";
const ON_CONFLICT: &str = "ON CONFLICT";
const RETURNING: &str = "RETURNING";
const SYSTEM: &str = "pg_…";
const LATERAL: &str = "LATERAL";
const LOCK_CLAUSE: &str = "SKIP LOCKED or NOWAIT";
const MATERIALIZED: &str = "MATERIALIZED";
const DISTINCT: &str = "IS DISTINCT FROM or DISTINCT (…)";
const ARRAY: &str = "an array or JSON function";
const CLOCK: &str = "clock_timestamp";
const POSTGRES: &str = "another word of PostgreSQL";
const MYSQL: &str = "a word of MySQL";

/// The name of each word, and the pattern that finds it in a string.
const WORDS: &[(&str, &str)] = &[
    (INTERVAL, r"\bINTERVAL\b|\binterval\s*'"),
    (FILTER, r"(?i)\bfilter\s*\("),
    (ANY, r"(?i)=\s*any\b"),
    (SERIES, r"(?i)\bgenerate_series\b"),
    (UNNEST, r"(?i)\bunnest\s*\("),
    (ORDINALITY, r"(?i)\bwith\s+ordinality\b"),
    (
        CAST,
        r#"[\w)\]}'"]::(?:(?:big|small)?int\d?|integer|numeric|float\d|double|text|varchar|bpchar|char|uuid|timestamp|timestamptz|date|interval|jsonb?|bool|boolean|bytea|reg\w+)\b"#,
    ),
    (TYPE, r"(?i)\bas\s+bigint\b|^bigint$|\bbpchar\b"),
    (ON_CONFLICT, r"(?i)\bon\s+conflict\b"),
    (RETURNING, r"\bRETURNING\b"),
    (
        SYSTEM,
        r"\bpg_(?:\w+\s*\(|(?:locks|class|database|settings|catalog|namespace|stat_\w+)\b)",
    ),
    (LATERAL, r"(?i)\blateral\b"),
    (LOCK_CLAUSE, r"(?i)\bskip\s+locked\b|\bnowait\b"),
    (MATERIALIZED, r"(?i)\bmaterialized\b"),
    (
        DISTINCT,
        r"(?i)\bis\s+(?:not\s+)?distinct\s+from\b|\(distinct\s*\(",
    ),
    (
        ARRAY,
        r"(?i)\b(?:string_agg|string_to_array|array_\w+|jsonb?_\w+|to_jsonb?)\s*\(",
    ),
    (CLOCK, r"(?i)\bclock_timestamp\b"),
    (
        POSTGRES,
        r"\bILIKE\b|(?i)\bdistinct\s+on\b|\b(?:nextval|setval|currval|bool_and|bool_or|cardinality|date_trunc|to_char|to_timestamp|make_interval|set_config|current_setting|gen_random_uuid|percentile_\w+|num_nulls)\s*\(|\bextract\s*\(\s*epoch\b|\bnulls\s+(?:first|last)\b|\b(?:un)?listen\s+[a-z_]+$|\bas\s*\(\s*(?:insert|update|delete)\b|\bdelete\s+from\s+\w+\s+(?:\w+\s+)?using\b",
    ),
    (
        MYSQL,
        r"(?i)\bon\s+duplicate\s+key\b|\binsert\s+ignore\b|\breplace\s+into\b|\bstraight_join\b|\b(?:force|use|ignore)\s+index\b|\bperformance_schema\b|\binformation_schema\s*\.\s*(?:innodb_\w+|processlist)|@@\w+|\b(?:ifnull|get_lock|release_lock|release_all_locks|is_free_lock|is_used_lock|connection_id|last_insert_id|timestampdiff|date_add|date_sub|json_table|utc_timestamp)\s*\(",
    ),
];

/// A module whose strings may contain such words.
struct Place {
    /// The path of its file, without the extension. The files of its folder belong to it.
    module: &'static str,
    /// The words that it contains; `None` if it may contain any of them.
    words: Option<&'static [&'static str]>,
    reason: &'static str,
}

const PLACES: &[Place] = &[
    Place {
        module: "src/db/dialect",
        words: Some(&[ANY, CAST, TYPE, SYSTEM, CLOCK, POSTGRES, MYSQL]),
        reason: "it is what differs between the engines",
    },
    Place {
        module: "src/db/engine/mysql",
        words: Some(&[INTERVAL, TYPE, CLOCK, LOCK_CLAUSE, POSTGRES, MYSQL]),
        reason: "it puts the shop's SQL into the words of MySQL, its notices into a table, and \
                 probes rows for locks",
    },
    Place {
        module: "src/db/notices",
        words: Some(&[SYSTEM, POSTGRES]),
        reason: "its connection listens, which SeaORM does not know",
    },
    Place {
        module: "src/db/server_load",
        words: Some(&[SYSTEM, CLOCK, POSTGRES]),
        reason: "each engine shows its sessions in views of its own",
    },
    Place {
        module: "src/db/session_lock",
        words: Some(&[SYSTEM]),
        reason: "its lock belongs to a connection of its own, which SeaORM does not know",
    },
    Place {
        module: "src/db/sessions",
        words: Some(&[ANY, CAST, SYSTEM, ARRAY, CLOCK, POSTGRES, MYSQL]),
        reason: "each engine shows its sessions and locks in views of its own",
    },
    Place {
        module: "src/db/lock_watch",
        words: Some(&[
            FILTER,
            UNNEST,
            CAST,
            SYSTEM,
            LATERAL,
            MATERIALIZED,
            ARRAY,
            CLOCK,
            POSTGRES,
        ]),
        reason: "each engine shows its sessions and locks in views of its own",
    },
    Place {
        module: "src/db/statement_hook/text_rows",
        words: Some(&[TYPE]),
        reason: "it formats a value by the name of its column's type",
    },
    Place {
        module: "src/payment/provider/store",
        words: Some(&[
            INTERVAL,
            ANY,
            CAST,
            ON_CONFLICT,
            RETURNING,
            SYSTEM,
            LOCK_CLAUSE,
            MATERIALIZED,
            ARRAY,
            POSTGRES,
            MYSQL,
        ]),
        reason: "another program, which defines its own schema, and whose every write is one \
                 statement that changes several tables",
    },
    Place {
        module: "src/shop/inventory/strategies",
        words: None,
        reason: "a strategy is the statements that it sends",
    },
];

impl Place {
    fn contains(&self, source: &Source) -> bool {
        is_in_module(source, self.module)
    }

    fn allows(&self, word: &str) -> bool {
        self.words.is_none_or(|words| words.contains(&word))
    }
}

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    WORDS
        .iter()
        .map(|(word, pattern)| (*word, Regex::new(pattern).expect("a valid pattern")))
        .collect()
});

/// The words in the strings of a source, without those of its unit tests, each with its line.
fn words(source: &Source) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    for (line, text) in source.without_tests().strings() {
        let matching = PATTERNS.iter().filter(|(_, regex)| regex.is_match(&text));
        found.extend(matching.map(|(word, _)| (*word, line)));
    }
    found
}

/// The sources that may send SQL. The strings of all others are texts for people.
fn sources() -> Vec<Source> {
    let is_text = |path: &str| TEXTS_ONLY.iter().any(|folder| path.starts_with(folder));
    let mut sources = crate::source::all();
    sources.retain(|source| !is_text(&source.path));
    sources
}

/// The words of a source that no place allows.
fn unlisted(source: &Source, places: &[Place]) -> Vec<String> {
    words(source)
        .into_iter()
        .filter(|(word, _)| {
            let mut places = places.iter().filter(|place| place.contains(source));
            !places.any(|place| place.allows(word))
        })
        .map(|(word, line)| {
            format!(
                "{}:{line}: {word}: use the query builder or db::dialect, or add the module here",
                source.path
            )
        })
        .collect()
}

/// The words of a place that its module does not contain.
fn absent(place: &Place, sources: &[Source]) -> Vec<String> {
    let of_place = sources.iter().filter(|source| place.contains(source));
    let present: Vec<_> = of_place.flat_map(words).map(|(word, _)| word).collect();
    let Place { module, reason, .. } = place;
    match place.words {
        None if present.is_empty() => vec![format!("{module} has no such word ({reason})")],
        None => Vec::new(),
        Some(words) => words
            .iter()
            .filter(|word| !present.contains(word))
            .map(|word| format!("{module} does not contain {word} ({reason})"))
            .collect(),
    }
}

#[test]
fn sql_of_one_engine_is_only_in_the_listed_modules() {
    let sources = sources();
    let found: Vec<_> = sources
        .iter()
        .flat_map(|source| unlisted(source, PLACES))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_listed_module_contains_its_words() {
    let sources = sources();
    let absent: Vec<_> = PLACES
        .iter()
        .flat_map(|place| absent(place, &sources))
        .collect();
    assert!(
        absent.is_empty(),
        "remove them from the list:\n{}",
        absent.join("\n")
    );
}

#[test]
fn each_word_is_found() {
    for (sql, expected) in [
        ("now() - INTERVAL '1 day'", INTERVAL),
        ("due_at + ms * interval '1 millisecond'", INTERVAL),
        ("sum(units) FILTER (WHERE is_open)", FILTER),
        ("id = ANY($1)", ANY),
        ("SELECT n FROM generate_series(1, $1) AS n", SERIES),
        ("FROM unnest($1) AS asked (id)", UNNEST),
        ("FROM ids WITH ORDINALITY", ORDINALITY),
        ("SELECT id::text FROM cart", CAST),
        ("SELECT sum(n)::bigint FROM t", CAST),
        ("WHERE id IN ($1::uuid)", CAST),
        ("bigint", TYPE),
        ("CAST(sum(n) AS bigint)", TYPE),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            ON_CONFLICT,
        ),
        ("DELETE FROM t RETURNING id", RETURNING),
        ("SELECT pg_sleep(1)", SYSTEM),
        ("SELECT pid FROM pg_locks", SYSTEM),
        ("CROSS JOIN LATERAL (SELECT 1) AS one", LATERAL),
        ("FOR UPDATE SKIP LOCKED", LOCK_CLAUSE),
        ("WITH t AS MATERIALIZED (SELECT 1)", MATERIALIZED),
        ("a IS NOT DISTINCT FROM b", DISTINCT),
        ("count(DISTINCT (a, b))", DISTINCT),
        ("string_agg(state, ',')", ARRAY),
        ("SELECT clock_timestamp()", CLOCK),
        ("WHERE name ILIKE 'a'", POSTGRES),
        ("SELECT nextval('order_id_seq')", POSTGRES),
        ("ORDER BY ends_at NULLS FIRST", POSTGRES),
        ("WITH gone AS (DELETE FROM t)", POSTGRES),
        ("DELETE FROM t USING u", POSTGRES),
        (
            "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE n = 2",
            MYSQL,
        ),
        ("SELECT GET_LOCK('runs', 0)", MYSQL),
        ("SELECT @@version", MYSQL),
    ] {
        let source = Source::new("src/shop/cart.rs", &format!("\n\nlet sql = \"{sql}\";"));
        assert_eq!(words(&source), [(expected, 3)], "{sql}");
        assert_eq!(unlisted(&source, PLACES).len(), 1, "{sql}");
    }
    assert_eq!(WORDS.len(), PATTERNS.len());
}

#[test]
fn standard_sql_code_and_comments_are_allowed() {
    for text in [
        "let sql = \"SELECT sum(CASE WHEN a THEN 1 ELSE 0 END), count(DISTINCT a) FROM t\";",
        "const POLL_INTERVAL: Duration = Duration::from_secs(1);",
        "// id = ANY($1)\nlet ids: Vec<i64> = text::parse(rest)?;",
        "let program = \"pg_ctl\";",
        "let sql = \"SELECT 1\";\n\n#[cfg(test)]\nmod tests {\n    const SQL: &str = \"SELECT 1::text\";\n}",
    ] {
        let found = words(&Source::new("src/shop/cart.rs", text));
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

fn place_of_carts(words: Option<&'static [&'static str]>) -> Place {
    Place {
        module: "src/shop/cart",
        words,
        reason: "a test",
    }
}

#[test]
fn a_module_is_its_file_and_its_folder() {
    for (path, place, expected) in [
        ("src/shop/cart.rs", place_of_carts(None), 0),
        ("src/shop/cart/line.rs", place_of_carts(None), 0),
        ("src/shop/cart_pair.rs", place_of_carts(None), 1),
        ("src/shop/cart.rs", place_of_carts(Some(&[RETURNING])), 0),
        ("src/shop/cart.rs", place_of_carts(Some(&[ANY])), 1),
    ] {
        let source = Source::new(path, "let sql = \"DELETE FROM t RETURNING id\";");
        let found = unlisted(&source, &[place]);
        assert_eq!(found.len(), expected, "{path}: {found:?}");
    }
}

#[test]
fn a_word_that_a_place_no_longer_contains_is_found() {
    let with_returning = [Source::new(
        "src/shop/cart.rs",
        "let sql = \"DELETE FROM t RETURNING id\";",
    )];
    for (place, expected) in [
        (place_of_carts(None), 0),
        (place_of_carts(Some(&[RETURNING])), 0),
        (place_of_carts(Some(&[RETURNING, ANY])), 1),
    ] {
        assert_eq!(absent(&place, &with_returning).len(), expected);
    }
    assert_eq!(absent(&place_of_carts(None), &[]).len(), 1);
}
