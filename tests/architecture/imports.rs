//! Who may name whom.

use regex::Regex;

use super::source::{self, Source, Strings};

/// What one module may name.
struct Rule {
    module: &'static str,
    /// The last cell of its row in the table of `src/lib.rs`.
    as_written: &'static str,
    may_use: &'static [&'static str],
    /// What stands in the bodies of functions, beyond that: those are compiled for the server only.
    in_bodies: &'static [&'static str],
}

const fn rule(
    module: &'static str,
    as_written: &'static str,
    may_use: &'static [&'static str],
) -> Rule {
    Rule {
        module,
        as_written,
        may_use,
        in_bodies: &[],
    }
}

const RULES: &[Rule] = &[
    rule("model", "nothing of ours", &[]),
    rule("ui", "model", &["model"]),
    rule("islands", "model, api, ui", &["model", "api", "ui"]),
    Rule {
        module: "api",
        as_written: "model; in their bodies web::session, shop, simulation",
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
            "config",
            "telemetry",
        ],
    ),
    rule(
        "simulation",
        "shop, payment, db, feed, model, config",
        &["shop", "payment", "db", "feed", "model", "config"],
    ),
    rule(
        "shop",
        "payment::gateway, db, feed, model, config",
        &["payment::gateway", "db", "feed", "model", "config"],
    ),
    rule("payment", "model, config", &["model", "config"]),
    rule("feed", "model, config", &["model", "config"]),
    rule("db", "model, config", &["model", "config"]),
    rule("config", "model", &["model"]),
    rule("telemetry", "model", &["model"]),
];

/// The names of ours that `source` may not name, each with its line.
fn forbidden(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(rule) = module
        .first()
        .and_then(|top| RULES.iter().find(|rule| rule.module == *top))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for named in named_by(source) {
        let mut allowed = vec![rule.module];
        allowed.extend(rule.may_use);
        if named.in_body {
            allowed.extend(rule.in_bodies);
        }
        let is_within = |allowed: &&str| {
            named.path == **allowed || named.path.starts_with(&format!("{allowed}::"))
        };
        if !allowed.iter().any(is_within) {
            found.push(format!(
                "{}:{}: {} may not name {}",
                source.path, named.line, rule.module, named.path
            ));
        }
    }
    found
}

/// A path of ours, without `crate::`.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    path: String,
    line: usize,
    /// Not at the file's own level.
    in_body: bool,
}

fn named_by(source: &Source) -> Vec<Named> {
    let code = source.code(Strings::Blanked);
    let to_root = "super::".repeat(source.module().len());
    let root = Regex::new(&format!(r"(?:^|[^\w:])(\$?crate::|{to_root}|doorbuster::)"))
        .expect("a pattern");
    let mut named = Vec::new();
    for found in root.captures_iter(&code) {
        let prefix = found.get(1).expect("the group takes part");
        let before = &code[..prefix.start()];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let in_body = code[line_start..].starts_with(' ');
        // In a module within the file, the same number of steps leads elsewhere.
        if prefix.as_str().starts_with("super") && in_body {
            continue;
        }
        let line = before.matches('\n').count() + 1;
        for path in expand(&code[prefix.end()..]) {
            named.push(Named {
                path,
                line,
                in_body,
            });
        }
    }
    named
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

/// Where the brace that was opened just before is closed.
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
fn nobody_names_what_is_above_them() {
    let found: Vec<_> = source::all().iter().flat_map(forbidden).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_has_its_row_in_the_table() {
    let library = source::all()
        .into_iter()
        .find(|source| source.path == "src/lib.rs")
        .expect("there is a library");
    let declared = Regex::new(r"(?m)^pub mod (\w+);").expect("a pattern");
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
            cell, rule.as_written,
            "what {module} may use, in src/lib.rs and here"
        );
    }
}

/// A domain that knows HTTP, sessions or pages could no longer be called by a simulated buyer.
#[test]
fn the_domain_knows_no_web() {
    let web =
        Regex::new(r"\b(axum|leptos_axum|leptos_meta|leptos_router|tower|tower_http|hyper|http)::")
            .expect("a pattern");
    for source in source::all() {
        let top = source
            .module()
            .first()
            .copied()
            .unwrap_or_default()
            .to_owned();
        if ["shop", "simulation", "feed", "db", "config"].contains(&top.as_str()) {
            let code = source.code(Strings::Blanked);
            assert!(
                !web.is_match(&code),
                "{} names {:?}",
                source.path,
                web.find(&code).map(|found| found.as_str())
            );
        }
    }
}

#[test]
fn what_is_forbidden_is_caught() {
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
        let found = forbidden(&Source::new(path, text));
        assert_eq!(
            found.len(),
            expected,
            "{path}: {text}\n{}",
            found.join("\n")
        );
    }
}
