//! Sources for the checks, with comments and strings distinguished from code.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;

/// One file below `src/`, or a script.
pub struct Source {
    /// Relative to the package root, for example `src/db/txn.rs`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The file's module path, for example `["db", "txn"]`; empty for `lib.rs`.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        match path {
            "lib" => Vec::new(),
            _ => path.split('/').collect(),
        }
    }

    /// The same file without its unit tests. Line numbers do not change.
    pub fn without_tests(&self) -> Self {
        let mut text = String::with_capacity(self.text.len());
        let mut rest = self.text.as_str();
        while let Some(found) = INLINE_TESTS.find(rest) {
            text.push_str(&rest[..found.start()]);
            let tests = &rest[found.start()..];
            // rustfmt puts the brace that closes a module at the start of its line.
            let end = tests.find("\n}\n").map_or(tests.len(), |at| at + 2);
            text.extend(tests[..end].matches('\n'));
            rest = &tests[end..];
        }
        Self::new(&self.path, &(text + rest))
    }

    /// The files that belong to the unit tests of this one: `#[cfg(test)] mod tests;`.
    fn test_files(&self) -> Vec<String> {
        let folder = self.path.trim_end_matches(".rs");
        let names = TEST_FILES.captures_iter(&self.text);
        names
            .map(|found| format!("{folder}/{}.rs", &found[1]))
            .collect()
    }

    /// The text with comments replaced by spaces, and strings too unless they are kept. Line
    /// numbers do not change.
    pub fn code(&self, strings: Strings) -> String {
        blank(&self.text, strings)
    }

    /// Every string literal outside of comments, without its quotes, with its line.
    pub fn strings(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut rest = self.text.as_str();
        let mut line = 1;
        while let Some(first) = rest.chars().next() {
            let (length, is_string) = piece(rest);
            let length = length.max(first.len_utf8());
            let (token, after) = rest.split_at(length);
            if is_string && !token.starts_with('\'') {
                let text = token.trim_start_matches(['r', '#']).trim_end_matches('#');
                let text = text.trim_matches('"').replace("\\\n", "");
                let words: Vec<_> = text.split_whitespace().collect();
                found.push((line, words.join(" ")));
            }
            line += token.matches('\n').count();
            rest = after;
        }
        found
    }

    /// Every string of a script in JavaScript, without its quotes, with its line.
    pub fn script_strings(&self) -> Vec<(usize, String)> {
        static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
            let token = concat!(
                r"(?s)//[^\n]*|/\*.*?\*/",
                r#"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`"#
            );
            Regex::new(token).expect("a pattern")
        });
        TOKEN
            .find_iter(&self.text)
            .filter(|token| !token.as_str().starts_with('/'))
            .map(|token| {
                let text = token.as_str().trim_matches(['"', '\'', '`']);
                let words: Vec<_> = text.split_whitespace().collect();
                (self.line_of(token.start()), words.join(" "))
            })
            .collect()
    }

    /// The documentation of arguments and commands, which the command line prints as help, with
    /// the line where each begins.
    pub fn help(&self) -> Vec<(usize, String)> {
        static COMMAND_LINE: LazyLock<Regex> = LazyLock::new(|| {
            let derived = r"derive\([^)]*\b(Parser|Args|Subcommand|ValueEnum)\b";
            Regex::new(derived).expect("a pattern")
        });
        let mut found = Vec::new();
        if !COMMAND_LINE.is_match(&self.text) {
            return found;
        }
        let mut block: Option<(usize, Vec<&str>)> = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let line = line.trim();
            if let Some(words) = line.strip_prefix("///") {
                block
                    .get_or_insert((number, Vec::new()))
                    .1
                    .push(words.trim());
            } else if !line.starts_with(['#', ')', ']']) {
                let help = block.take().filter(|_| !is_other_item(line));
                found.extend(help.map(|(begin, words)| (begin, words.join(" "))));
            }
        }
        found
    }

    fn line_of(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }
}

/// Whether a line begins an item that is no part of the command line.
fn is_other_item(line: &str) -> bool {
    line.split_whitespace()
        .any(|word| ["fn", "const", "static", "trait", "impl", "mod", "type"].contains(&word))
}

static INLINE_TESTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^#\[cfg\(test\)\]\n(?:pub )?(?:mod|impl) \w+ \{$").expect("a pattern")
});
static TEST_FILES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^#\[cfg\(test\)\]\n(?:pub )?mod (\w+);").expect("a pattern"));

/// A file that people read: code, style, script or document.
pub struct Text {
    /// Relative to the root of the repository.
    pub path: String,
    pub text: String,
}

impl Text {
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// Every file that people read, except what others wrote.
pub fn texts() -> Vec<Text> {
    const FOLDERS: [&str; 10] = [
        "src",
        "tests",
        "benches",
        "migration",
        "docs",
        "end2end",
        "public",
        "scripts",
        "style",
        ".config",
    ];
    const FILES: [&str; 8] = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "Makefile.toml",
        "build.rs",
        "compose.yaml",
        "makew",
    ];
    let root = root();
    let mut paths: Vec<PathBuf> = FILES.iter().map(|file| root.join(file)).collect();
    for folder in FOLDERS {
        let is_text = |path: &Path| {
            let extension = path.extension().unwrap_or_default();
            [
                "rs", "md", "ts", "js", "css", "toml", "snap", "sh", "sql", "lua",
            ]
            .iter()
            .any(|kind| extension == *kind)
        };
        collect(&root.join(folder), &mut paths, &is_text);
    }
    paths
        .iter()
        .map(|path| {
            let relative = path
                .strip_prefix(&root)
                .expect("the file is below the root");
            let text = std::fs::read_to_string(path).expect("a text can be read");
            Text::new(&relative.display().to_string(), &text)
        })
        .collect()
}

/// True if `source` is the file of `module`, given as its path without the extension, or below it.
pub fn is_in_module(source: &Source, module: &str) -> bool {
    let rest = source.path.strip_prefix(module);
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    Kept,
    Blanked,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every source of the package.
pub fn all() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    let is_rust = |path: &Path| path.extension().is_some_and(|kind| kind == "rs");
    collect(&root.join("src"), &mut files, &is_rust);
    files.sort();
    assert!(files.len() > 50, "too few sources: {}", files.len());
    files
        .iter()
        .map(|file| Source {
            path: file
                .strip_prefix(&root)
                .expect("the file is below the root")
                .display()
                .to_string(),
            text: std::fs::read_to_string(file).expect("a source can be read"),
        })
        .collect()
}

/// Every source of the package without its unit tests, which may set up what they like.
pub fn production() -> Vec<Source> {
    let sources = all();
    let tests: Vec<String> = sources.iter().flat_map(Source::test_files).collect();
    let is_production = |source: &&Source| !tests.contains(&source.path);
    let production = sources.iter().filter(is_production);
    production.map(Source::without_tests).collect()
}

/// The sources of another crate, whose root is in `folder`. Their paths begin with `src`, too.
pub fn of_crate(folder: &str) -> Vec<Source> {
    let prefix = format!("{folder}/");
    let sources = texts().into_iter().filter_map(|text| {
        let path = text.path.strip_prefix(&prefix)?;
        path.ends_with(".rs").then(|| {
            let path = format!("src/{}", path.replace("main.rs", "lib.rs"));
            Source::new(&path, &text.text)
        })
    });
    let sources: Vec<_> = sources.collect();
    assert!(!sources.is_empty(), "{folder} has no sources");
    sources
}

/// Every script of the pages and of the files that a run exports.
pub fn scripts() -> Vec<Source> {
    let is_script = |text: &Text| text.path.starts_with("public/") || text.path.starts_with("src/");
    texts()
        .into_iter()
        .filter(|text| text.path.ends_with(".js") && is_script(text))
        .map(|text| Source::new(&text.path, &text.text))
        .collect()
}

/// Folders with files of others, or with what a build makes.
const FOREIGN_FOLDERS: [&str; 5] = [
    "node_modules",
    "vendor",
    "target",
    "test-results",
    "playwright-report",
];

fn collect(folder: &Path, files: &mut Vec<PathBuf>, is_wanted: &dyn Fn(&Path) -> bool) {
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("a readable entry").path();
        let is_foreign = FOREIGN_FOLDERS.iter().any(|name| path.ends_with(name));
        if path.is_dir() && !is_foreign {
            collect(&path, files, is_wanted);
        } else if path.is_file() && is_wanted(&path) {
            files.push(path);
        }
    }
}

fn blank(text: &str, strings: Strings) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_string) = piece(rest);
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (token, after) = rest.split_at(length);
        if is_string && strings == Strings::Kept {
            out.push_str(token);
        } else {
            out.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    out
}

/// Returns the length of the comment or string at the start of `rest`, or 0; and whether it is a
/// string.
fn piece(rest: &str) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if rest.starts_with('"') {
        return (quoted(rest), true);
    }
    if rest.starts_with('\'') {
        return (character(rest), true);
    }
    if let Some(after) = rest.strip_prefix('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = 1 + hashes + 1;
            let length = rest[body..]
                .find(&end)
                .map_or(rest.len(), |at| body + at + end.len());
            return (length, true);
        }
    }
    (0, false)
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, not a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            rest[1..]
                .char_indices()
                .skip(2)
                .find(|(_, c)| *c == '\'')
                .map_or(0, |(at, _)| at + 2)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[test]
fn unit_tests_are_left_out() {
    let source = Source::new(
        "src/a/b.rs",
        "mod c;\n#[cfg(test)]\nmod d;\n\n#[cfg(test)]\nmod tests {\n    fn e() {\n    }\n}\n\nfn f() {}\n",
    );
    let code = source.without_tests();
    assert!(!code.text.contains("fn e"), "{}", code.text);
    let f = code.text.lines().position(|line| line == "fn f() {}");
    assert_eq!(f, Some(10));
    assert_eq!(source.test_files(), ["src/a/b/d.rs"]);
    let paths: Vec<_> = production().into_iter().map(|source| source.path).collect();
    assert!(paths.contains(&"src/model/strategy.rs".to_owned()));
    assert!(!paths.contains(&"src/model/strategy/line_differences.rs".to_owned()));
}

#[test]
fn comments_and_strings_are_not_code() {
    let source = Source::new(
        "src/x.rs",
        "a // b\n/* c /* d */ e */ f \"g // \\\" h\" i r#\"j \"k\"#  'l' '\\'' '\\u{1F}' fn m<'n>() {} \"\" o",
    );
    let code = source.code(Strings::Blanked);
    let words: Vec<_> = code
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(words, ["a", "f", "i", "fn", "m", "n", "o"]);
    let kept = source.code(Strings::Kept);
    assert!(
        kept.contains("g //")
            && kept.contains("j \"k")
            && !kept.contains('b')
            && !kept.contains('d')
    );
}
