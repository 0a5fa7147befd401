//! Allowed dependencies between modules.

use std::sync::LazyLock;

use regex::Regex;

use crate::source::{self, Source, Strings};

/// The dependencies that one module may have.
struct Rule {
    module: &'static str,
    /// The last cell of its row in the table of `src/lib.rs`.
    table_cell: &'static str,
    may_use: &'static [&'static str],
    /// Additional dependencies in function bodies, which are compiled for the server only.
    in_bodies: &'static [&'static str],
}

const fn rule(
    module: &'static str,
    table_cell: &'static str,
    may_use: &'static [&'static str],
) -> Rule {
    Rule {
        module,
        table_cell,
        may_use,
        in_bodies: &[],
    }
}

const RULES: &[Rule] = &[
    rule("model", "no other module", &[]),
    rule("ui", "model", &["model"]),
    rule("islands", "model, api, ui", &["model", "api", "ui"]),
    Rule {
        module: "api",
        table_cell: "model; in their bodies web::session, shop, simulation",
        may_use: &["model"],
        in_bodies: &["web::session", "shop", "simulation"],
    },
    rule(
        "web",
        "ui, islands, api, and everything below it",
        &[
            "model",
            "ui",
            "islands",
            "api",
            "shop",
            "simulation",
            "payment",
            "feed",
            "db",
            "metrics",
            "redis",
            "resilience",
            "http_client",
            "config",
            "telemetry",
        ],
    ),
    rule(
        "simulation",
        "shop, payment, db, redis, feed, http_client, model, config",
        &[
            "shop",
            "payment",
            "db",
            "redis",
            "feed",
            "http_client",
            "model",
            "config",
        ],
    ),
    rule(
        "shop",
        "payment::gateway, db, redis, feed, metrics, resilience, telemetry, model, config",
        &[
            "payment::gateway",
            "db",
            "redis",
            "feed",
            "metrics",
            "resilience",
            "telemetry",
            "model",
            "config",
        ],
    ),
    rule(
        "payment",
        "resilience, telemetry, http_client, model, config",
        &["resilience", "telemetry", "http_client", "model", "config"],
    ),
    rule("feed", "model, config", &["model", "config"]),
    rule(
        "db",
        "metrics, resilience, telemetry, model, config",
        &["metrics", "resilience", "telemetry", "model", "config"],
    ),
    rule("metrics", "model", &["model"]),
    rule("redis", "resilience", &["resilience"]),
    rule("resilience", "metrics", &["metrics"]),
    rule("http_client", "no other module", &[]),
    rule("config", "model", &["model"]),
    rule(
        "telemetry",
        "metrics, http_client, config",
        &["metrics", "http_client", "config"],
    ),
];

/// Returns each forbidden dependency of `source`, with its line.
fn forbidden_paths(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(rule) = module
        .first()
        .and_then(|top| RULES.iter().find(|rule| rule.module == *top))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for used in used_paths(source) {
        let mut allowed = vec![rule.module];
        allowed.extend(rule.may_use);
        if used.in_body {
            allowed.extend(rule.in_bodies);
        }
        let is_within = |allowed: &&str| {
            used.path == **allowed || used.path.starts_with(&format!("{allowed}::"))
        };
        if !allowed.iter().any(is_within) {
            found.push(format!(
                "{}:{}: {} must not use {}",
                source.path, used.line, rule.module, used.path
            ));
        }
    }
    found
}

/// A path within this crate, without `crate::`.
#[derive(Debug, PartialEq, Eq)]
struct UsedPath {
    path: String,
    line: usize,
    /// Indented, so not at the top level of the file.
    in_body: bool,
}

/// Finds what leads to the root of the crate, from a module of each depth.
static ROOTS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let root = |depth| {
        let to_root = "super::".repeat(depth);
        Regex::new(&format!(r"(?:^|[^\w:])(\$?crate::|{to_root}|doorbuster::)"))
    };
    (0..DEPTHS)
        .map(|depth| root(depth).expect("a valid pattern"))
        .collect()
});

/// More than any module has.
const DEPTHS: usize = 16;

fn used_paths(source: &Source) -> Vec<UsedPath> {
    let code = source.code(Strings::Blanked);
    let root = &ROOTS[source.module().len()];
    let mut paths = Vec::new();
    for found in root.captures_iter(&code) {
        let prefix = found.get(1).expect("the group matches");
        let before = &code[..prefix.start()];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let in_body = code[line_start..].starts_with(' ');
        // In an inline module, the same number of `super` leads to another module.
        if prefix.as_str().starts_with("super") && in_body {
            continue;
        }
        let line = before.matches('\n').count() + 1;
        for path in expand(&code[prefix.end()..]) {
            paths.push(UsedPath {
                path,
                line,
                in_body,
            });
        }
    }
    paths
}

/// The first two segments of each path in `a::b::C` or `{a, b::{C, D}, e::*}`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        let end = closing(group);
        return split_top(&group[..end])
            .into_iter()
            .flat_map(expand)
            .collect();
    }
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let first = word(tree);
    if first.is_empty() {
        return Vec::new();
    }
    let Some(rest) = tree[first.len()..].strip_prefix("::") else {
        return vec![first];
    };
    let seconds: Vec<String> = match rest.trim_start().strip_prefix('{') {
        Some(group) => split_top(&group[..closing(group)])
            .into_iter()
            .map(|part| word(part.trim_start()))
            .collect(),
        None => vec![word(rest)],
    };
    seconds
        .into_iter()
        .map(|second| match second.as_str() {
            "" | "self" => first.clone(),
            second => format!("{first}::{second}"),
        })
        .collect()
}

/// Every path of a use tree, whole: `a::{b::C, d}` is `a::b::C` and `a::d`.
pub fn paths(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let (prefix, group) = match tree.split_once('{') {
        Some((prefix, group)) => (prefix, Some(&group[..closing(group)])),
        None => (tree, None),
    };
    let prefix: Vec<String> = prefix
        .split("::")
        .map(|step| {
            step.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .filter(|step| !step.is_empty() && step != "*")
        .collect();
    let Some(group) = group else {
        return vec![prefix];
    };
    split_top(group)
        .into_iter()
        .flat_map(paths)
        .map(|rest| [prefix.as_slice(), &rest].concat())
        .collect()
}

/// Returns the position of the brace that closes the group.
fn closing(group: &str) -> usize {
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    group.len()
}

fn split_top(group: &str) -> Vec<&str> {
    let mut depth = 0;
    group
        .split(move |c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        })
        .filter(|part| !part.trim().is_empty())
        .collect()
}

#[test]
fn no_module_uses_a_module_above_it() {
    let found: Vec<_> = source::all().iter().flat_map(forbidden_paths).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_is_in_the_table_of_the_library() {
    let library = source::all()
        .into_iter()
        .find(|source| source.path == "src/lib.rs")
        .expect("src/lib.rs exists");
    let declared = Regex::new(r"(?m)^pub mod (\w+);").expect("a valid pattern");
    for found in declared.captures_iter(&library.text) {
        let module = &found[1];
        let rule = RULES.iter().find(|rule| rule.module == module);
        let rule = rule.unwrap_or_else(|| panic!("{module} has no rule here"));
        let row = library.text.lines().find(|line| {
            line.starts_with("//! | ")
                && line
                    .split('|')
                    .nth(1)
                    .is_some_and(|cell| cell.contains(&format!("`{module}`")))
        });
        let row = row.unwrap_or_else(|| panic!("{module} has no row in the table of src/lib.rs"));
        let cell = row.split('|').nth(3).unwrap_or_default().trim();
        assert_eq!(
            cell, rule.table_cell,
            "the dependencies of {module} in src/lib.rs and in this test"
        );
    }
}

/// If the domain depended on HTTP, sessions or pages, a simulated buyer could not call it.
#[test]
fn the_domain_does_not_use_web_crates() {
    let web =
        Regex::new(r"\b(axum|leptos_axum|leptos_meta|leptos_router|tower|tower_http|hyper|http)::")
            .expect("a valid pattern");
    for source in source::all() {
        let top = source
            .module()
            .first()
            .copied()
            .unwrap_or_default()
            .to_owned();
        if ["shop", "simulation", "feed", "db", "redis", "config"].contains(&top.as_str()) {
            let code = source.code(Strings::Blanked);
            assert!(
                !web.is_match(&code),
                "{} uses {:?}",
                source.path,
                web.find(&code).map(|found| found.as_str())
            );
        }
    }
}

#[test]
fn forbidden_dependencies_are_found() {
    for (path, text, expected) in [
        ("src/shop/cart.rs", "use crate::web::session::Visit;", 1),
        (
            "src/shop/cart.rs",
            "use crate::{\n    db::txn,\n    simulation::{Engine, store},\n    web,\n};",
            3,
        ),
        ("src/shop/cart.rs", "fn f() { crate::web::serve() }", 1),
        (
            "src/shop/cart.rs",
            "use crate::{db::{self, txn}, feed::Feed, model::*, shop::Shop};",
            0,
        ),
        (
            "src/shop/cart.rs",
            "// use crate::web::serve;\nlet s = \"crate::web\";",
            0,
        ),
        ("src/shop.rs", "use super::web;", 1),
        ("src/shop/cart.rs", "use super::super::web;", 1),
        ("src/shop/cart.rs", "use super::web;", 0),
        (
            "src/shop/cart.rs",
            "use crate::payment::gateway::Gateway;",
            0,
        ),
        ("src/shop/cart.rs", "use crate::payment::provider;", 1),
        ("src/model/cart.rs", "use crate::db::Db;", 1),
        ("src/db/txn.rs", "use crate::shop::Shop;", 1),
        ("src/feed.rs", "use crate::db::Db;", 1),
        ("src/ui/price.rs", "use crate::islands::shop;", 1),
        ("src/api/cart.rs", "use crate::shop::Shop;", 1),
        (
            "src/api/cart.rs",
            "fn f() {\n    use crate::shop::Shop;\n}",
            0,
        ),
        (
            "src/api/cart.rs",
            "fn f() {\n    let visit = crate::web::session::Visit::current()?;\n}",
            0,
        ),
        (
            "src/api/cart.rs",
            "fn f() {\n    crate::web::server::serve();\n    crate::db::txn::run();\n}",
            2,
        ),
        ("src/simulation/engine.rs", "pub use crate::api::cart;", 1),
        ("src/command/serve.rs", "use doorbuster::web;", 0),
    ] {
        let found = forbidden_paths(&Source::new(path, text));
        assert_eq!(
            found.len(),
            expected,
            "{path}: {text}\n{}",
            found.join("\n")
        );
    }
}
