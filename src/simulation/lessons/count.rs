//! Numbers of things in the sentences of a lesson.

/// `1 order`, `2 orders`.
pub fn count_of(number: i64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {one}{s}")
}
