//! Shortens a statement for the projector, so that it can be read from the last row. The page shows
//! the full text below it.

use std::fmt::Write;

/// Longer column lists are replaced by an ellipsis.
const LIST_LEN_MAX: usize = 48;

/// True if the statement begins a transaction. MySQL sets the isolation level before that.
pub fn begins_transaction(sql: &str) -> bool {
    sql.starts_with("BEGIN") || sql.ends_with("; BEGIN")
}

/// True if the statement is an UPDATE of stock rows.
pub fn writes_stock(sql: &str) -> bool {
    sql.starts_with("UPDATE \"stock\"") || sql.starts_with("UPDATE `stock`")
}

/// True if the statement is a SELECT of stock rows, with or without a lock.
pub fn reads_stock(sql: &str) -> bool {
    sql.contains("FROM \"stock\"") || sql.contains("FROM `stock`")
}

/// True if the statement is a SELECT that locks stock rows.
pub fn locks_stock(sql: &str) -> bool {
    reads_stock(sql) && sql.ends_with("FOR UPDATE")
}

/// Shortens `sql`: removes quotes, inserts `values` for `$n` or `?`, and replaces long column lists
/// by an ellipsis.
pub fn abbreviate(sql: &str, values: &[String]) -> String {
    let words: Vec<_> = sql.split_whitespace().collect();
    let plain = number_marks(&words.join(" ")).replace(['"', '`'], "");
    let mut text = elide(&plain, "SELECT ", " FROM ");
    text = elide_tail(&text, " RETURNING ");
    text = elide_insert(&text);
    for table in ["stock", "product", "payment", "hold", "customer_order"] {
        text = text.replace(&format!(" {table}.{table}_"), &format!(" {table}_"));
        text = text.replace(&format!("{table}."), "");
    }
    fill_in(&text, values)
}

fn elide(text: &str, from: &str, to: &str) -> String {
    let Some(rest) = text.strip_prefix(from) else {
        return text.to_owned();
    };
    match rest.split_once(to) {
        Some((list, tail)) if list.len() > LIST_LEN_MAX => format!("{from}…{to}{tail}"),
        _ => text.to_owned(),
    }
}

fn elide_tail(text: &str, from: &str) -> String {
    match text.split_once(from) {
        Some((head, list)) if list.len() > LIST_LEN_MAX => format!("{head}{from}…"),
        _ => text.to_owned(),
    }
}

/// Shortens `INSERT INTO t (a, b, …) VALUES ($1, $2, …)` if its column list is long.
fn elide_insert(text: &str) -> String {
    if !text.starts_with("INSERT INTO ") {
        return text.to_owned();
    }
    let Some((head, rest)) = text.split_once(" (") else {
        return text.to_owned();
    };
    let Some((columns, tail)) = rest.split_once(") VALUES (") else {
        return text.to_owned();
    };
    if columns.len() <= LIST_LEN_MAX {
        return text.to_owned();
    }
    let after = tail.split_once(')').map_or("", |(_, after)| after);
    format!("{head} (…) VALUES (…){after}")
}

/// Numbers the parameters of a statement that marks each of them by `?`.
fn number_marks(sql: &str) -> String {
    let (mut text, mut marks, mut quoted) = (String::with_capacity(sql.len()), 0, false);
    for c in sql.chars() {
        quoted ^= c == '\'';
        if c == '?' && !quoted {
            marks += 1;
            // Writing to a String cannot fail.
            let _ = write!(text, "${marks}");
        } else {
            text.push(c);
        }
    }
    text
}

/// Replaces the last parameter first, because `$1` is a prefix of `$10`.
fn fill_in(text: &str, values: &[String]) -> String {
    let numbered = values.iter().enumerate().rev();
    numbered.fold(text.to_owned(), |text, (index, value)| {
        text.replace(&format!("${}", index + 1), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, values: &[&str], expected: &str) {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        assert_eq!(abbreviate(sql, &values), expected);
    }

    #[test]
    fn tables_conditions_and_locks_remain() {
        check(
            r#"SELECT "stock"."product_id", "stock"."total", "stock"."available", "stock"."reserved" FROM "stock" WHERE "stock"."product_id" = $1 LIMIT $2 FOR UPDATE"#,
            &["7", "1"],
            "SELECT … FROM stock WHERE product_id = 7 LIMIT 1 FOR UPDATE",
        );
        check(
            r#"UPDATE "stock" SET "version" = "version" + $1, "available" = "available" + $2 WHERE "stock"."product_id" = $3 AND "stock"."available" >= $4 RETURNING "product_id", "total", "available", "reserved", "sold", "version""#,
            &["1", "-1", "7", "1"],
            "UPDATE stock SET version = version + 1, available = available + -1 WHERE product_id = 7 AND available >= 1 RETURNING …",
        );
        check("BEGIN", &[], "BEGIN");
        check(
            r#"INSERT INTO "idempotency_key" ("key", "fingerprint") VALUES ($1, $2)"#,
            &["'k'", "'f'"],
            "INSERT INTO idempotency_key (key, fingerprint) VALUES ('k', 'f')",
        );
    }

    #[test]
    fn statements_of_mysql_are_shortened_too() {
        check(
            "SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved` FROM `stock` WHERE `stock`.`product_id` = ? LIMIT ? FOR UPDATE",
            &["7", "1"],
            "SELECT … FROM stock WHERE product_id = 7 LIMIT 1 FOR UPDATE",
        );
        check(
            "INSERT INTO `hold` (`cart_id`, `product_id`, `quantity`, `state`, `extended`, `expires_at`) VALUES (?, ?, ?, ?, ?, ?)",
            &["'c'", "7", "1", "'held'", "FALSE", "'?'"],
            "INSERT INTO hold (…) VALUES (…)",
        );
        check(
            "UPDATE `hold` SET `reason` = 'why?' WHERE `hold`.`id` IN (?, ?)",
            &["7", "8"],
            "UPDATE hold SET reason = 'why?' WHERE id IN (7, 8)",
        );
        check(
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE; BEGIN",
            &[],
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE; BEGIN",
        );
    }

    #[test]
    fn statements_are_recognised_on_every_engine() {
        for quote in ["\"", "`"] {
            let update = format!("UPDATE {quote}stock{quote} SET {quote}sold{quote} = 1");
            let read = format!("SELECT 1 FROM {quote}stock{quote} WHERE 1 = 1");
            let lock = format!("{read} FOR UPDATE");
            assert!(writes_stock(&update) && !reads_stock(&update));
            assert!(reads_stock(&read) && !locks_stock(&read));
            assert!(reads_stock(&lock) && locks_stock(&lock));
        }
        for sql in [
            "BEGIN",
            "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE; BEGIN",
        ] {
            assert!(begins_transaction(sql), "{sql}");
        }
        assert!(!begins_transaction("COMMIT"));
    }

    #[test]
    fn the_tenth_parameter_is_not_the_first() {
        let values: Vec<_> = (1..=11).map(|n| format!("v{n}")).collect();
        assert_eq!(abbreviate("$1 $10 $11", &values), "v1 v10 v11");
    }
}
