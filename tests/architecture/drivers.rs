//! The driver of Redis, whose name is also that of modules of the shop.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use crate::{
    imports,
    source::{self, Source, Strings, is_in_module},
};

static USES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\buse\s+([^;]+);").expect("a pattern"));
/// It can be meant only by this spelling, whatever else has its name.
static FROM_OUTSIDE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^\w:>])::redis\b|\bextern\s+crate\s+redis\b").expect("a pattern")
});
static BY_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|[^\w:])(redis)::").expect("a pattern"));
static DECLARED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bmod\s+redis\b").expect("a pattern"));

/// The lines where `source` uses the driver.
fn uses_of_driver(source: &Source) -> BTreeSet<usize> {
    let code = source.code(Strings::Blanked);
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    let mut lines: BTreeSet<usize> = FROM_OUTSIDE
        .find_iter(&code)
        .map(|found| line_of(found.end()))
        .collect();
    let mut has_module = DECLARED.is_match(&code);
    let declares_module = has_module;
    for used in USES.captures_iter(&code) {
        let at = used.get(0).expect("the whole match").start();
        for mut path in imports::paths(&used[1]) {
            if path.first().is_some_and(|first| first == "redis") {
                if !declares_module {
                    lines.insert(line_of(at));
                }
                continue;
            }
            path.retain(|step| step != "self");
            has_module |= path.last().is_some_and(|last| last == "redis");
        }
    }
    if !has_module {
        let code = USES.replace_all(&code, |used: &regex::Captures| {
            "\n".repeat(used[0].matches('\n').count())
        });
        let by_name = BY_NAME.find_iter(&code);
        lines.extend(by_name.map(|found| code[..found.end()].matches('\n').count() + 1));
    }
    lines
}

#[test]
fn only_the_module_of_redis_uses_its_driver() {
    let sources = source::all();
    let (own, others): (Vec<_>, Vec<_>) = sources
        .iter()
        .partition(|source| is_in_module(source, "src/redis"));
    let found: Vec<String> = others
        .iter()
        .flat_map(|source| {
            let lines = uses_of_driver(source);
            lines
                .into_iter()
                .map(|line| format!("{}:{line}", source.path))
        })
        .collect();
    assert!(found.is_empty(), "use crate::redis instead: {found:?}");
    let uses_it = own.iter().any(|source| !uses_of_driver(source).is_empty());
    assert!(uses_it, "the check finds the driver where it is");
}

#[test]
fn the_driver_is_found_however_it_is_spelled() {
    for (text, expected) in [
        ("use ::redis::Client;", 1),
        ("use redis::Client;", 1),
        ("use redis;", 1),
        ("use redis::{Client, cmd};", 1),
        ("use {redis::Client, std::fmt};", 1),
        ("use std::fmt;\n\nfn f() { redis::cmd(\"GET\") }", 1),
        ("fn f(script: &::redis::Script) {}", 1),
        ("extern crate redis as driver;", 1),
        ("use crate::redis::Redis;", 0),
        (
            "use crate::{\n    db::Db,\n    redis::{Redis, Script},\n};",
            0,
        ),
        (
            "use crate::redis::{self, Redis};\nfn f() { redis::open() }",
            0,
        ),
        ("use super::redis;\nfn f() { redis::open() }", 0),
        ("mod redis;\npub use redis::RedisSettings;", 0),
        ("fn f() { command::redis::run(self.redis, redis) }", 0),
        ("// use redis::Client;\nlet s = \"redis::Client\";", 0),
    ] {
        let found = uses_of_driver(&Source::new("src/shop/gates.rs", text));
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }
}
