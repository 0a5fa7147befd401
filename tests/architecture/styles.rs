//! What the style sheets must not do.

use std::{fs, path::Path};

/// Whatever stands around the whole page: asked with `:has()` what is on it, a browser works out the style of every element anew after each
/// change of any. Measured on the page of a run: 7 ms, ten times a second.
const AROUND_ALL: [&str; 3] = ["html", "body", ":root"];

/// The selectors of a style sheet that ask what is on the page.
fn asking_around_all(css: &str) -> Vec<String> {
    let mut found = Vec::new();
    for place in css.match_indices(":has(").map(|(place, _)| place) {
        let before = &css[..place];
        let start = before
            .rfind(|c: char| c.is_whitespace() || "{},>+~(".contains(c))
            .map_or(0, |end| end + 1);
        let subject = &before[start..];
        let is_around_all = AROUND_ALL.iter().any(|name| {
            subject
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '#', '[', ':']))
        });
        if is_around_all {
            found.push(format!("{subject}:has("));
        }
    }
    found
}

#[test]
fn no_rule_asks_what_is_anywhere_on_the_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("style");
    for file in fs::read_dir(folder).expect("the styles can be listed") {
        let path = file.expect("a style sheet").path();
        let css = fs::read_to_string(&path).expect("a style sheet can be read");
        assert_eq!(
            asking_around_all(&css),
            [""; 0],
            "in {}: put a class on what shall look otherwise",
            path.display()
        );
    }
}

#[test]
fn what_asks_around_all_is_caught() {
    let css = "a{}html:has(.x) b{} body.y:has(i), :root:has(p), .card:has(b), somebody:has(b) {}";
    let found = ["html:has(", "body.y:has(", ":root:has("];
    assert_eq!(asking_around_all(css), found);
}
