//! The line of a strategy on charts, and the style rules of all lines.
//!
//! `build.rs` compiles this file too, for the style sheet of the pages, so it uses only the
//! standard library.

use std::fmt::Write;

/// How the line of a strategy looks, in every chart, page and export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineStyle {
    /// The colour on a light page, as `#rrggbb`.
    pub colour: &'static str,
    /// The same hue for a dark page.
    pub colour_dark: &'static str,
    /// The dashes, as in `stroke-dasharray`; `0` is a solid line.
    pub dash: &'static str,
}

/// A strategy's key and its line.
pub type KeyedLine = (&'static str, LineStyle);

/// Returns the rules for a page whose colours follow the reader's colour scheme: the custom
/// properties `--s-{key}` and `--d-{key}`, and a class `lane-line--{key}`, which also sets
/// `--lane`.
pub fn themed_rules(lines: &[KeyedLine]) -> String {
    let mut light = String::new();
    let mut dark = String::new();
    let mut classes = String::new();
    for (key, line) in lines {
        // Writing to a String cannot fail.
        let _ = write!(
            light,
            "--s-{key}: {}; --d-{key}: {}; ",
            line.colour, line.dash
        );
        let _ = write!(dark, "--s-{key}: {}; ", line.colour_dark);
        let _ = writeln!(
            classes,
            ".lane-line--{key} {{ --lane: var(--s-{key}); stroke: var(--lane); \
             stroke-dasharray: var(--d-{key}); }}"
        );
    }
    format!(
        "\n:root {{ {light}}}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ {dark}}} }}\n{classes}"
    )
}

/// Returns the classes `lane-line--{key}` in the colours for a light page, without custom
/// properties, which few programs for SVG files know.
pub fn light_rules(lines: &[KeyedLine]) -> String {
    let mut classes = String::new();
    for (key, line) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(
            classes,
            ".lane-line--{key} {{ stroke: {}; stroke-dasharray: {}; }}",
            line.colour, line.dash
        );
    }
    classes
}
