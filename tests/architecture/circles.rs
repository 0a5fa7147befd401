//! Circles of imports: files that can only be understood together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;

use crate::{
    imports,
    source::{self, Source, Strings},
};

/// Circles that stay, each with its reason. Imports between a module and the modules below it do
/// not count: a module re-exports its children, and they use its types.
const ALLOWED: &[(&[&str], &str)] = &[];

type Module = Vec<String>;

/// The imports of each file, without those between a module and its own descendants.
fn graph(sources: &[Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeSet<Module> = sources.iter().map(module).collect();
    sources
        .iter()
        .map(|source| {
            let from = module(source);
            let to = imported(source)
                .into_iter()
                .filter_map(|path| file_of(path, &modules))
                .filter(|to| !to.starts_with(&from) && !from.starts_with(to))
                .collect();
            (from, to)
        })
        .collect()
}

fn module(source: &Source) -> Module {
    source.module().iter().map(ToString::to_string).collect()
}

/// The longest beginning of `path` that is a file.
fn file_of(mut path: Module, modules: &BTreeSet<Module>) -> Option<Module> {
    while !path.is_empty() && !modules.contains(&path) {
        path.pop();
    }
    (!path.is_empty()).then_some(path)
}

static USES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\buse\s+([^;]+);").expect("a pattern"));
static INLINE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:crate|super)::(?:\w+::)+\w+").expect("a pattern"));

/// The paths that a file imports, from the crate's root. What only its unit tests import does not
/// count.
fn imported(source: &Source) -> Vec<Module> {
    let code = source.without_tests().code(Strings::Blanked);
    let code = code.as_str();
    let own = module(source);
    let in_uses = USES
        .captures_iter(code)
        .flat_map(|found| imports::paths(&found[1]))
        .filter_map(|path| absolute(&own, path));
    let in_code = INLINE.find_iter(code).filter_map(|found| {
        let path = found.as_str().split("::");
        absolute(&own, path.map(ToOwned::to_owned).collect())
    });
    in_uses.chain(in_code).collect()
}

fn absolute(own: &Module, path: Module) -> Option<Module> {
    let first = path.first()?.as_str();
    match first {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([own.as_slice(), &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|step| *step == "super").count();
            let base = own.get(..own.len().checked_sub(ups)?)?;
            Some([base, &path[ups..]].concat())
        }
        _ => Some([own.as_slice(), &path].concat()),
    }
}

/// The modules that use one of the modules below them, which in turn uses what the module itself
/// defines. What it only re-exports does not count.
fn mutual(sources: &[Source]) -> BTreeSet<String> {
    let modules: BTreeSet<Module> = sources.iter().map(module).collect();
    let by_module: BTreeMap<Module, &Source> = sources
        .iter()
        .map(|source| (module(source), source))
        .collect();
    let mut found = BTreeSet::new();
    for source in sources {
        let below = module(source);
        for path in imported(source) {
            let Some(above) = file_of(path.clone(), &modules) else {
                continue;
            };
            let is_above = below.len() > above.len() && below.starts_with(&above);
            let item = path.get(above.len());
            if is_above
                && item.is_some_and(|item| defines(by_module[&above], item))
                && calls_below(by_module[&above], &below, &modules)
            {
                found.insert(above.join("::"));
            }
        }
    }
    found
}

fn defines(source: &Source, item: &str) -> bool {
    let code = source.without_tests().code(Strings::Blanked);
    let pattern = format!(r"\b(?:struct|enum|trait|type|fn|const|static) {item}\b");
    Regex::new(&pattern).expect("a pattern").is_match(&code)
}

static PUBLIC_USES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*pub(?:\([^)]*\))?\s+use\s+[^;]+;").expect("a pattern"));
static PATHS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|[^\w:])((?:[a-z_]\w*::)+\w+)").expect("a pattern"));

/// True if `source` uses the module `below` in its own code.
fn calls_below(source: &Source, below: &Module, modules: &BTreeSet<Module>) -> bool {
    let own = module(source);
    let code = source.code(Strings::Blanked);
    let code = PUBLIC_USES.replace_all(&code, "");
    let code = Source::new(&source.path, &code).without_tests();
    let named = PATHS.captures_iter(&code.text).filter_map(|found| {
        let path = found[1].split("::").map(ToOwned::to_owned);
        absolute(&own, path.collect())
    });
    let mut used = imported(&code).into_iter().chain(named);
    used.any(|path| file_of(path, modules).as_ref() == Some(below))
}

/// Groups of files each of which reaches all others of its group.
fn circles(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<String>> {
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = graph
        .keys()
        .map(|from| (from, reachable(graph, from)))
        .collect();
    let mut found = BTreeSet::new();
    for (from, reached) in &reach {
        if !reached.contains(from) {
            continue;
        }
        let circle: Vec<String> = reached
            .iter()
            .filter(|to| reach[**to].contains(*from))
            .map(|module| module.join("::"))
            .collect();
        found.insert(circle);
    }
    found.into_iter().collect()
}

fn reachable<'a>(
    graph: &'a BTreeMap<Module, BTreeSet<Module>>,
    from: &'a Module,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in graph.get(module).into_iter().flatten() {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

#[test]
fn files_import_each_other_in_one_direction() {
    let found = circles(&graph(&source::production()));
    let unexplained: Vec<_> = found
        .iter()
        .filter(|circle| ALLOWED.iter().all(|(allowed, _)| allowed != circle))
        .map(|circle| circle.join(" ↔ "))
        .collect();
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    for (circle, reason) in ALLOWED {
        assert!(
            found.iter().any(|found| found == circle),
            "no longer a circle, remove it here: {circle:?} ({reason})"
        );
    }
}

/// The modules in the table of circles of `docs/ARCHITECTURE.md`.
fn explained(document: &str) -> BTreeSet<String> {
    let (_, section) = document
        .split_once("\n## Circles that are left\n")
        .expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`').to_owned())
        .collect()
}

#[test]
fn a_module_and_those_below_it_use_each_other_only_if_the_document_says_why() {
    let path = source::root().join("docs/ARCHITECTURE.md");
    let document = std::fs::read_to_string(path).expect("the document can be read");
    let (explained, found) = (explained(&document), mutual(&source::production()));
    let new: Vec<_> = found.difference(&explained).collect();
    let gone: Vec<_> = explained.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "new circles: {new:?}\nno longer circles, remove them from the document: {gone:?}"
    );
}

#[test]
fn a_circle_with_a_module_below_is_found() {
    let parent = "mod part;\npub use part::B;\npub struct A;\nfn f() { part::g() }";
    let sources = |parent: &str, part: &str| {
        mutual(&[
            Source::new("src/a.rs", parent),
            Source::new("src/a/part.rs", part),
        ])
    };
    let uses_parent = "use super::A;\nfn g() {}\npub struct B;";
    assert_eq!(
        sources(parent, uses_parent),
        BTreeSet::from(["a".to_owned()])
    );
    let in_use = "use self::part::g;\npub struct A;";
    assert_eq!(sources(in_use, uses_parent).len(), 1);
    // A part that uses nothing of its parent, and a parent that only re-exports.
    for (parent, part) in [
        (parent, "fn g() {}"),
        (parent, "use super::B;"),
        ("mod part;\npub use part::B;\npub struct A;", uses_parent),
    ] {
        assert_eq!(sources(parent, part), BTreeSet::new(), "{parent}");
    }
    let row =
        "x\n## Circles that are left\n\n| m | r |\n|---|---|\n| `a`, `b::c` | d `e` |\n\n## f";
    let names = ["a".to_owned(), "b::c".to_owned()];
    assert_eq!(explained(row), BTreeSet::from(names));
}

/// Programs beside the shop, each with its folder.
const OTHER_CRATES: &[&str] = &["benches/growth", "benches/opening", "benches/strategies"];

#[test]
fn files_of_the_benchmarks_import_each_other_in_one_direction() {
    for folder in OTHER_CRATES {
        let found = circles(&graph(&source::of_crate(folder)));
        assert!(found.is_empty(), "{folder}: {found:?}");
    }
}

#[test]
fn a_circle_is_found() {
    let sources = [
        Source::new("src/a.rs", "use crate::b::{C, D};"),
        Source::new("src/a/part.rs", "use super::A;\nuse crate::a::B;"),
        Source::new("src/b.rs", "fn f() { crate::c::g() }"),
        Source::new("src/c.rs", "fn h() { super::a::i() }"),
        Source::new(
            "src/d.rs",
            "use crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}",
        ),
    ];
    assert_eq!(circles(&graph(&sources)), [["a", "b", "c"]]);
}
