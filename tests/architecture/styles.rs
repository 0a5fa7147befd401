//! Forbidden selectors in style sheets.

use std::fs;

use crate::source;

/// Root elements. With `:has()` on one of them, a browser recalculates the style of every element
/// after each change. Measured on a run's page: 7 ms, ten times per second.
const ROOT_ELEMENTS: [&str; 3] = ["html", "body", ":root"];

/// Returns the selectors that apply `:has()` to a root element.
fn has_on_root(css: &str) -> Vec<String> {
    let mut found = Vec::new();
    for place in css.match_indices(":has(").map(|(place, _)| place) {
        let before = &css[..place];
        let start = before
            .rfind(|c: char| c.is_whitespace() || "{},>+~(".contains(c))
            .map_or(0, |end| end + 1);
        let subject = &before[start..];
        let is_root = ROOT_ELEMENTS.iter().any(|name| {
            subject
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '#', '[', ':']))
        });
        if is_root {
            found.push(format!("{subject}:has("));
        }
    }
    found
}

#[test]
fn no_rule_uses_has_on_a_root_element() {
    let folder = source::root().join("style");
    for file in fs::read_dir(folder).expect("the styles can be listed") {
        let path = file.expect("a style sheet").path();
        let css = fs::read_to_string(&path).expect("a style sheet can be read");
        assert_eq!(
            has_on_root(&css),
            [""; 0],
            "in {}: set a class on the element to style instead",
            path.display()
        );
    }
}

#[test]
fn has_on_a_root_element_is_found() {
    let css = "a{}html:has(.x) b{} body.y:has(i), :root:has(p), .card:has(b), tbody:has(b) {}";
    let found = ["html:has(", "body.y:has(", ":root:has("];
    assert_eq!(has_on_root(css), found);
}
