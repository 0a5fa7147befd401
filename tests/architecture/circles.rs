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
    LazyLock::new(|| Regex::new(r"\bcrate::((?:\w+::)+\w+)").expect("a pattern"));

/// The paths that a file imports, from the crate's root. What only its unit tests import does not
/// count.
fn imported(source: &Source) -> Vec<Module> {
    let code = source.code(Strings::Blanked);
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let own = module(source);
    let in_uses = USES
        .captures_iter(code)
        .flat_map(|found| imports::paths(&found[1]))
        .filter_map(|path| absolute(&own, path));
    let in_code = INLINE.captures_iter(code).map(|found| {
        let path = found[1].split("::");
        path.map(ToOwned::to_owned).collect()
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
    let found = circles(&graph(&source::all()));
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

#[test]
fn a_circle_is_found() {
    let sources = [
        Source::new("src/a.rs", "use crate::b::{C, D};"),
        Source::new("src/a/part.rs", "use super::A;\nuse crate::a::B;"),
        Source::new("src/b.rs", "fn f() { crate::c::g() }"),
        Source::new("src/c.rs", "use super::a::A;"),
        Source::new(
            "src/d.rs",
            "use crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}",
        ),
    ];
    assert_eq!(circles(&graph(&sources)), [["a", "b", "c"]]);
}
