//! Prints every text that a person may read: on a page, in an answer, on the command line, in a
//! message of a script. An editor reads them all in one place.
//!
//! `cargo run -p architecture --bin page-texts`, or `./makew texts`.

use architecture::source;
use architecture::source::Source;

fn main() {
    let sources: Vec<Source> = source::all();
    let printed: Vec<String> = sources
        .iter()
        .flat_map(texts_of_source)
        .chain(source::scripts().iter().flat_map(texts_of_script))
        .collect();
    for text in &printed {
        println!("{text}");
    }
    eprintln!("{} texts", printed.len());
}

/// The texts of a Rust file, with its help of the command line.
fn texts_of_source(source: &Source) -> Vec<String> {
    let shipped = Source::new(&source.path, without_tests(&source.text));
    let mut texts = shipped.strings();
    texts.retain(|(_, text)| is_for_people(text));
    texts.extend(shipped.help());
    texts.sort();
    with_places(&source.path, &texts)
}

/// The texts of a script of the pages.
fn texts_of_script(script: &Source) -> Vec<String> {
    let mut texts = script.script_strings();
    texts.retain(|(_, text)| is_for_people(text));
    with_places(&script.path, &texts)
}

fn with_places(path: &str, texts: &[(usize, String)]) -> Vec<String> {
    let place = |(line, text): &(usize, String)| format!("{path}:{line}: {text}");
    texts.iter().map(place).collect()
}

/// The module of unit tests is the last part of a file.
fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ")
        .map_or(text, |at| &text[..at])
}

/// Keys, classes, paths and SQL are for machines.
fn is_for_people(text: &str) -> bool {
    let words = text
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphabetic));
    let is_word = |text: &str| {
        let mut chars = text.chars();
        chars.next().is_some_and(char::is_uppercase) && chars.any(char::is_lowercase)
    };
    let is_sql = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "WITH ", "CREATE", "CALL",
    ]
    .iter()
    .any(|begin| text.trim_start().starts_with(begin));
    let is_class = text.split_whitespace().any(|word| {
        word.contains("__") || word.contains("--") && !word.starts_with(['-', '`', '(', '['])
    });
    let is_markup = is_class || text.starts_with(['/', '.', '<']);
    !is_sql && !is_markup && (words.count() > 1 || is_word(text.trim()))
}

#[test]
fn texts_are_distinguished_from_keys() {
    for (text, expected) in [
        ("Your items are still reserved.", true),
        ("Products", true),
        ("Use --json for scripts.", true),
        ("row-lock", false),
        ("btn btn--primary", false),
        ("SELECT 1 FROM stock", false),
        ("/admin/stock", false),
    ] {
        assert_eq!(is_for_people(text), expected, "{text}");
    }
}

#[test]
fn the_help_of_a_command_and_its_messages_are_listed() {
    let source = Source::new(
        "src/command/sale.rs",
        "#[derive(Args)]\npub struct Sale {\n    /// Opens the sale\n    /// now.\n    \
         #[arg(long)]\n    open: bool,\n}\n\n/// Not a help.\npub fn run() {\n    \
         print(\"The sale is open.\");\n}\n\n#[cfg(test)]\nmod tests {\n    \
         const X: &str = \"Not shipped.\";\n}\n",
    );
    assert_eq!(
        texts_of_source(&source),
        [
            "src/command/sale.rs:3: Opens the sale now.",
            "src/command/sale.rs:11: The sale is open."
        ]
    );
}

#[test]
fn the_messages_of_a_script_are_listed() {
    let script = Source::new(
        "public/page.js",
        "// \"Not a text.\"\nconst a = \"Enter a name.\";\nconst b = `Only ${left}\n  left.`;\n",
    );
    assert_eq!(
        texts_of_script(&script),
        [
            "public/page.js:2: Enter a name.",
            "public/page.js:3: Only ${left} left."
        ]
    );
}
