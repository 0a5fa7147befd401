//! Decisions: other documents name each by its number.

use crate::source::{self, Text};

const FOLDER: &str = "docs/decisions/";

/// Returns what is wrong with the first line of a decision; `None` for any other text.
fn wrong_heading(text: &Text) -> Option<String> {
    let name = text.path.strip_prefix(FOLDER)?;
    let number: u32 = name.split_once('-')?.0.parse().ok()?;
    let first = text.text.lines().next().unwrap_or_default();
    let begin = format!("# {number}. ");
    let is_right = first
        .strip_prefix(&begin)
        .is_some_and(|title| !title.trim().is_empty());
    (!is_right).then(|| format!("{}: begin with “{begin}” and a title: {first}", text.path))
}

#[test]
fn a_decision_begins_with_its_number() {
    let texts = source::texts();
    let decisions = texts.iter().filter(|text| text.path.starts_with(FOLDER));
    assert!(decisions.count() > 1, "they were moved");
    let found: Vec<_> = texts.iter().filter_map(wrong_heading).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_heading_without_its_number_is_found() {
    for (path, text, is_wrong) in [
        (
            "docs/decisions/0007-a-post.md",
            "# 7. A post\n\nText.",
            false,
        ),
        ("docs/decisions/0007-a-post.md", "# A post\n\nText.", true),
        (
            "docs/decisions/0007-a-post.md",
            "# 8. A post\n\nText.",
            true,
        ),
        ("docs/decisions/0007-a-post.md", "# 7. \n\nText.", true),
        ("docs/decisions/README.md", "# Decisions", false),
        ("docs/OPERATIONS.md", "# Operations", false),
    ] {
        let found = wrong_heading(&Text::new(path, text));
        assert_eq!(found.is_some(), is_wrong, "{path}: {text}");
    }
}
