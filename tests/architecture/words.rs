//! Words that may not come back: each makes a sentence hard to understand at the first reading.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use crate::source::{self, Text};

/// A word or phrase, why it may not be used, and what to say instead.
struct Forbidden {
    pattern: &'static str,
    reason: &'static str,
    instead: &'static str,
}

const fn forbidden(
    pattern: &'static str,
    reason: &'static str,
    instead: &'static str,
) -> Forbidden {
    Forbidden {
        pattern,
        reason,
        instead,
    }
}

const RIDDLE: &str = "a riddle with the actor left out";
const ARCHAIC: &str = "archaic";
const METAPHOR: &str = "a metaphor that a newcomer has to decode";
const TWO_WORDS: &str = "a second word for one thing";
const MINDLESS: &str = "the act of a person, for a program";

const WORDS: &[Forbidden] = &[
    forbidden(
        r"told",
        RIDDLE,
        "rejected, confirmed, answered; the page shows, the log says",
    ),
    forbidden(
        r"nobody|somebody",
        RIDDLE,
        "the role: no buyer, another session, a shopper",
    ),
    forbidden(
        r"anew",
        ARCHAIC,
        "again; or name what is made: a new page, a fresh draft",
    ),
    forbidden(
        r"who(so)?ever",
        RIDDLE,
        "the role: the buyer, the shopper, the waiter, anyone who",
    ),
    forbidden(
        r"what came of",
        RIDDLE,
        "the outcome, the result, the answer",
    ),
    forbidden(r"is had", ARCHAIC, "is used, is taken, is available"),
    forbidden(
        r"turned away|sent away|went without",
        TWO_WORDS,
        "rejected; unfulfilled",
    ),
    forbidden(r"begun anew|once more", TWO_WORDS, "retried, again"),
    forbidden(r"nobody is sold", RIDDLE, "nothing is sold"),
    forbidden(r"stands", ARCHAIC, "is in, is stored in, waits at, is idle"),
    forbidden(
        r"behind the counter|stockroom",
        TWO_WORDS,
        "Admin, Products, stock administration",
    ),
    forbidden(
        r"shel(f|ves)",
        TWO_WORDS,
        "stock, stock row, remaining units",
    ),
    forbidden(r"seams?", METAPHOR, "injection point"),
    forbidden(r"couriers?", METAPHOR, "webhook sender"),
    forbidden(r"scouts?", METAPHOR, "probe"),
    forbidden(r"turnstile", METAPHOR, "queue before the pool"),
    forbidden(
        r"what (a|the) database( failure)? (says|means)\.",
        "says nothing",
        "which error is returned when, or leave the section out",
    ),
    forbidden(
        r"limit(s|ed)? for each (customer|product|address)",
        TWO_WORDS,
        "per customer, per product, per address",
    ),
    forbidden(
        r"(database|redis|provider|collector) (is|was) away",
        TWO_WORDS,
        "unavailable",
    ),
    forbidden(
        r"left alone|leaves? (it|the (database|provider)) alone",
        METAPHOR,
        "gets no requests; its breaker is open",
    ),
    forbidden(
        r"(database|row|gate|redis|server|shop|program) (believes|hears|wants|wishes|knows|learns)",
        MINDLESS,
        "stores, contains, reads, finds, needs",
    ),
    forbidden(
        r"learnt|distrusts?|accuse[sd]?",
        MINDLESS,
        "stored, read, received; verifies; makes it a violation",
    ),
    forbidden(r"wish(es)?", TWO_WORDS, "run command"),
    forbidden(
        r"it is an exhibit",
        RIDDLE,
        "Expected: this strategy is broken on purpose.",
    ),
];

/// Files that are about the words themselves.
const EXCEPT: &[&str] = &["tests/architecture/words.rs", "CHANGELOG.md"];

/// Names of things of the world, whatever words they are made of.
const NAMES: &[&str] = &[
    "shelf-speaker",
    "Shelf Speaker",
    // The unprivileged user of Unix systems.
    "`nobody`",
    "\"nobody\"",
    "\\\"nobody\\\"",
    "//nobody@",
    // A column of earlier versions.
    "\"wish\"",
    "`wish`",
    "wish VARCHAR",
    "(wish IN",
];

fn is_in_name(text: &str, at: usize) -> bool {
    NAMES.iter().any(|name| {
        let mut places = text.match_indices(name);
        places.any(|(start, _)| (start..start + name.len()).contains(&at))
    })
}

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| WORDS.iter().map(pattern).collect());

fn pattern(word: &Forbidden) -> Regex {
    RegexBuilder::new(&format!(r"\b({})", with_end(word.pattern)))
        .case_insensitive(true)
        .build()
        .expect("a pattern")
}

/// A word ends where it ends; what ends with a full stop needs no further mark.
fn with_end(pattern: &str) -> String {
    if pattern.ends_with('.') {
        pattern.to_owned()
    } else {
        format!(r"(?:{pattern})\b")
    }
}

/// The forbidden words of a text, each with its line, its reason and what to say instead.
fn found_in(text: &Text) -> Vec<String> {
    let mut found = Vec::new();
    for (word, pattern) in WORDS.iter().zip(PATTERNS.iter()) {
        for hit in pattern.find_iter(&text.text) {
            if is_in_name(&text.text, hit.start()) {
                continue;
            }
            let line = text.text[..hit.start()].matches('\n').count() + 1;
            found.push(format!(
                "{}:{line}: “{}” is {}; say: {}",
                text.path,
                hit.as_str(),
                word.reason,
                word.instead
            ));
        }
    }
    found
}

#[test]
fn no_forbidden_word_is_used() {
    let found: Vec<_> = source::texts()
        .iter()
        .filter(|text| !EXCEPT.contains(&text.path.as_str()))
        .flat_map(found_in)
        .collect();
    assert!(
        found.is_empty(),
        "{} words to replace:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_forbidden_word_is_found() {
    for (text, expected) in [
        ("The buyer was told no.", 1),
        ("it begins anew; Whoever waits", 2),
        ("what is on the shelf", 1),
        ("/// What the database says.", 1),
        ("What the database says about a lane", 0),
        ("2 is the limit for each customer.", 1),
        ("The database is away, and is left alone.", 2),
        ("The row decides, whatever the gate knows.", 1),
        (
            "`wish` is the column of the command; a shopper knows the price",
            0,
        ),
        ("a renewed, seamless, shelved plan is understood", 0),
    ] {
        let found = found_in(&Text::new("x.md", text));
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }
}

/// Columns of a line of prose, in a comment or a document.
const COLUMNS_MAX: usize = 100;

/// The lines of a file that are prose, with their numbers: comments in Rust, and in a document what
/// is neither code nor a table. An address or a row of a table cannot be broken.
fn prose(text: &Text) -> Vec<(usize, &str)> {
    let is_document = text.path.ends_with(".md");
    let mut is_code = false;
    let mut is_prose = move |line: &str| {
        if !is_document {
            return line.trim_start().starts_with("//") && !line.contains("//! |");
        }
        is_code ^= line.trim_start().starts_with("```");
        !is_code && !line.trim_start().starts_with(['|', '<'])
    };
    (1..)
        .zip(text.text.lines())
        .filter(|(_, line)| is_prose(line) && !line.contains("://"))
        .collect()
}

fn long_lines(text: &Text) -> Vec<String> {
    prose(text)
        .into_iter()
        .filter(|(_, line)| line.chars().count() > COLUMNS_MAX)
        .map(|(number, line)| format!("{}:{number}: {line}", text.path))
        .collect()
}

#[test]
fn prose_ends_at_100_columns() {
    let found: Vec<_> = source::texts()
        .iter()
        .filter(|text| text.path.ends_with(".rs") || text.path.ends_with(".md"))
        .flat_map(long_lines)
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_long_line_of_prose_is_found() {
    let long = "a ".repeat(60);
    for (path, text, expected) in [
        ("x.rs", format!("    // {long}\nlet x = \"{long}\";"), 1),
        ("x.md", format!("{long}\n\n- {long}\n"), 2),
        ("x.md", format!("| {long} |\n```\n{long}\n```\nshort"), 0),
        ("x.md", format!("- {long}\n\n  | {long} |\n"), 1),
    ] {
        let found = long_lines(&Text::new(path, &text));
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }
}

/// Lines of a document in which a table has become a part of a paragraph: nothing shows it as a
/// table then.
fn tables_in_paragraphs(text: &Text) -> Vec<String> {
    if !text.path.ends_with(".md") {
        return Vec::new();
    }
    prose(text)
        .into_iter()
        .filter(|(_, line)| line.contains("|---"))
        .map(|(number, line)| format!("{}:{number}: {line}", text.path))
        .collect()
}

#[test]
fn no_table_is_a_part_of_a_paragraph() {
    let texts = source::texts();
    let found: Vec<_> = texts.iter().flat_map(tables_in_paragraphs).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_table_in_a_paragraph_is_found() {
    for (text, expected) in [
        ("| a | b |\n|---|---|\n| 1 | 2 |", 0),
        ("- A list:\n\n  | a |\n  |---|\n  | 1 |", 0),
        ("- A list: | a | b | |---|---| | 1 | 2 |", 1),
    ] {
        let found = tables_in_paragraphs(&Text::new("x.md", text));
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }
}
