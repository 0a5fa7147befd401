//! Removes the values from the text of a statement. Those of a customer may be among them: a lock
//! view shows what a session does, not with whose data.

use crate::db::engine::Engine;

/// What is shown instead of a value.
const VALUE: &str = "?";

/// A part of a statement, with its length in bytes.
enum Part {
    Kept(usize),
    Value(usize),
    Comment(usize),
}

/// Returns the statement with `?` for each text and each number in it, and without its comments.
/// A text without an end, as in a statement that the server has cut off, reaches to the end.
pub fn without_literals(sql: &str, engine: Engine) -> String {
    let mut text = String::with_capacity(sql.len());
    let (mut rest, mut previous) = (sql, "");
    while let Some(first) = rest.chars().next() {
        let part = next(rest, first, previous, engine);
        let (Part::Kept(length) | Part::Value(length) | Part::Comment(length)) = part;
        let (own, after) = rest.split_at(length);
        text += match part {
            Part::Kept(_) => own,
            Part::Value(_) => VALUE,
            Part::Comment(_) => "",
        };
        (rest, previous) = (after, own);
    }
    text
}

/// Returns the part with which a text begins, of which `first` is the first character.
fn next(rest: &str, first: char, previous: &str, engine: Engine) -> Part {
    let is_mysql = engine == Engine::MySql;
    let until = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    match first {
        '-' if rest.starts_with("--") => Part::Comment(until("\n")),
        '#' if is_mysql => Part::Comment(until("\n")),
        '/' if rest.starts_with("/*") => Part::Comment(until("*/")),
        '\'' => {
            let has_escapes = is_mysql || previous.eq_ignore_ascii_case("e");
            Part::Value(quoted(rest, first, has_escapes))
        }
        '"' if is_mysql => Part::Value(quoted(rest, first, true)),
        '"' | '`' => Part::Kept(quoted(rest, first, false)),
        '$' if !is_mysql => dollar(rest),
        _ if first.is_ascii_digit() => Part::Value(word(rest, |c| c == '.')),
        _ if is_of_word(first) => Part::Kept(word(rest, |_| false)),
        _ => Part::Kept(first.len_utf8()),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of the word, or of the number, with which a text begins.
fn word(rest: &str, is_also: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !is_of_word(c) && !is_also(c))
        .unwrap_or(rest.len())
}

/// Returns the length of the quoted text with which a text begins. Two quotes are one in it.
fn quoted(rest: &str, quote: char, has_escapes: bool) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && has_escapes {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

/// A parameter (`$1`) of PostgreSQL, which is kept, or a text between dollars (`$tag$ … $tag$`).
fn dollar(rest: &str) -> Part {
    let after = &rest[1..];
    let name = word(after, |_| false);
    if !after[name..].starts_with('$') || after.starts_with(|c: char| c.is_ascii_digit()) {
        return Part::Kept(1 + name);
    }
    let tag = &rest[..name + 2];
    let end = rest[tag.len()..].find(tag);
    Part::Value(end.map_or(rest.len(), |at| at + 2 * tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_comments_are_removed_and_names_stay() {
        for (sql, expected) in [
            (
                "UPDATE `t2` SET a = 'Ann''s', b=-12.5e3 WHERE id IN (0x1F, 7)",
                "UPDATE `t2` SET a = ?, b=-? WHERE id IN (?, ?)",
            ),
            (
                "SELECT \"a\\\"b\", 'it\\'s', c1 FROM é",
                "SELECT ?, ?, c1 FROM é",
            ),
            ("/* it's */ SELECT 1 -- it's\n, 'x'", " SELECT ? , ?"),
            ("SELECT 1 # it's\n, 'x'", "SELECT ? , ?"),
            ("SELECT 'cut off", "SELECT ?"),
            (
                "SELECT a FROM b WHERE c = ? ORDER BY d",
                "SELECT a FROM b WHERE c = ? ORDER BY d",
            ),
        ] {
            assert_eq!(without_literals(sql, Engine::MySql), expected, "{sql}");
        }
    }

    #[test]
    fn postgres_has_other_quotes_and_parameters() {
        for (sql, expected) in [
            (
                "SELECT \"a 1\" FROM t WHERE b = $1 AND c = $12",
                "SELECT \"a 1\" FROM t WHERE b = $1 AND c = $12",
            ),
            ("SELECT 'a\\', b, 'c'", "SELECT ?, b, ?"),
            ("SELECT E'a\\'', b", "SELECT E?, b"),
            ("SELECT $$it's$$, $x$ $$ $x$, 'y'", "SELECT ?, ?, ?"),
            ("SELECT $x$ cut off", "SELECT ?"),
        ] {
            assert_eq!(without_literals(sql, Engine::Postgres), expected, "{sql}");
        }
    }
}
