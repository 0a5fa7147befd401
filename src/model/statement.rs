//! Shortens SQL statements to one line: the action, the table and the locking clause, without
//! column lists.

/// The maximum length, in characters.
const CHARS_MAX: usize = 200;

/// Shortens `sql` to one line, without quotes around names and without column lists.
pub fn shorten(sql: &str) -> String {
    let bare = sql.replace('"', "");
    let words: Vec<&str> = bare.split_whitespace().collect();
    let short = match words.first().map(|word| word.to_ascii_uppercase()) {
        Some(verb) if verb == "SELECT" => without_list(&words, "FROM"),
        Some(verb) if verb == "INSERT" => without_values(&words),
        _ => words.join(" "),
    };
    cut(without_returning(&short))
}

/// `SELECT a, b FROM t` → `SELECT … FROM t`. A short list stays: it may be a function call.
fn without_list(words: &[&str], end: &str) -> String {
    match words.iter().position(|word| word.eq_ignore_ascii_case(end)) {
        Some(at) if at > 2 => format!("{} … {}", words[0], words[at..].join(" ")),
        _ => words.join(" "),
    }
}

/// `INSERT INTO t (a, b) VALUES ($1, $2) …` → `INSERT INTO t (…) …`
fn without_values(words: &[&str]) -> String {
    let table = words.iter().take(3).copied().collect::<Vec<_>>().join(" ");
    let rest = words
        .iter()
        .position(|word| word.eq_ignore_ascii_case("ON"))
        .map(|at| words[at..].join(" "));
    match rest {
        Some(rest) => format!("{table} (…) {rest}"),
        None => format!("{table} (…)"),
    }
}

/// Removes the RETURNING clause: it is long and locks nothing.
fn without_returning(sql: &str) -> &str {
    match sql.find(" RETURNING ") {
        Some(at) if !sql.starts_with("WITH") => &sql[..at],
        _ => sql,
    }
}

/// Cuts in the middle: the verb is at the start, the locking clause at the end.
fn cut(sql: &str) -> String {
    let length = sql.chars().count();
    if length <= CHARS_MAX {
        return sql.to_owned();
    }
    let half = CHARS_MAX / 2;
    let front: String = sql.chars().take(half).collect();
    let back: String = sql.chars().skip(length - half).collect();
    format!("{front} … {back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_and_the_table_remain() {
        for (sql, short) in [
            (
                "SELECT \"stock\".\"product_id\", \"stock\".\"total\" FROM \"stock\" WHERE \"stock\".\"product_id\" = $1 LIMIT $2 FOR UPDATE",
                "SELECT … FROM stock WHERE stock.product_id = $1 LIMIT $2 FOR UPDATE",
            ),
            (
                "SELECT pg_advisory_xact_lock($1, $2)",
                "SELECT pg_advisory_xact_lock($1, $2)",
            ),
            (
                "INSERT INTO \"idempotency_key\" (\"key\", \"fingerprint\") VALUES ($1, $2) ON CONFLICT (\"key\") DO NOTHING RETURNING \"key\"",
                "INSERT INTO idempotency_key (…) ON CONFLICT (key) DO NOTHING",
            ),
            (
                "UPDATE \"stock\"\n  SET \"available\" = available - 1 WHERE available >= 1 RETURNING available",
                "UPDATE stock SET available = available - 1 WHERE available >= 1",
            ),
            ("COMMIT", "COMMIT"),
            ("", ""),
        ] {
            assert_eq!(shorten(sql), short);
        }
    }

    #[test]
    fn a_long_statement_is_cut_in_the_middle() {
        let sql = format!("WITH offer AS ({}) FOR UPDATE", "ä".repeat(5_000));
        let short = shorten(&sql);
        assert_eq!(short.chars().count(), CHARS_MAX + 3);
        assert!(short.starts_with("WITH offer AS ("), "{short}");
        assert!(short.ends_with(") FOR UPDATE"), "{short}");
    }
}
