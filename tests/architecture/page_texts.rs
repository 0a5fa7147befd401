//! Prints every text that a person may read on a page or in an answer, by file and line: for an
//! editor, who wants to read them all in one place.
//!
//! `cargo run -p architecture --bin page-texts`, or `./makew texts`.

use architecture::source;

/// Where texts for people are.
const FOLDERS: &[&str] = &[
    "src/api/",
    "src/islands/",
    "src/model/",
    "src/shop/",
    "src/simulation/",
    "src/ui/",
    "src/web/",
];

fn main() {
    let mut printed = 0;
    for source in source::all() {
        if !FOLDERS.iter().any(|folder| source.path.starts_with(folder)) {
            continue;
        }
        for (line, text) in source.strings() {
            if is_for_people(&text) {
                println!("{}:{line}: {text}", source.path);
                printed += 1;
            }
        }
    }
    eprintln!("{printed} texts");
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
    let is_markup = text.contains("--") || text.contains("__") || text.starts_with(['/', '.', '<']);
    !is_sql && !is_markup && (words.count() > 1 || is_word(text.trim()))
}

#[test]
fn texts_are_told_from_keys() {
    for (text, expected) in [
        ("Your items are still reserved.", true),
        ("Products", true),
        ("row-lock", false),
        ("btn btn--primary", false),
        ("SELECT 1 FROM stock", false),
        ("/admin/stock", false),
    ] {
        assert_eq!(is_for_people(text), expected, "{text}");
    }
}
