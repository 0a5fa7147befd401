//! MySQL 8.0 and later, and MariaDB 10.6 and later.

pub mod cluster;
pub mod errors;
pub mod lock_watch;
pub mod named_lock;
pub mod notices;
pub mod pool;
pub mod row_locks;
pub mod server;
pub mod sessions;
pub mod translate;
pub mod waits;

/// The pattern of `LIKE` for texts that contain `word`, whose escape character is `|`.
pub fn contains(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '|') {
            pattern.push('|');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Writes something: a commit that wrote nothing does not wait for the disk. The slots keep
/// sessions apart.
pub const MARK: &str = "INSERT INTO flush_mark (slot, marks) VALUES (CONNECTION_ID() % 1024, 1) \
                        ON DUPLICATE KEY UPDATE marks = marks + 1";

/// The last id that was given to a row of `table`, as an expression.
pub fn last_drawn_id(table: &str) -> String {
    format!(
        "(SELECT CAST(COALESCE(t.AUTO_INCREMENT, 1) AS SIGNED) - 1 FROM information_schema.TABLES t \
          WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = '{table}')"
    )
}

/// Lists all open transactions that may write, whatever their tables, except for those of sessions
/// in another database. The server refreshes this list only if it was not read for a tenth of a
/// second, and the lock view of a run reads it too, with pauses that double. So the statement waits
/// first.
pub const OPEN_TRANSACTIONS: &str = "\
    SELECT CONCAT(t.trx_mysql_thread_id, ' ', t.trx_started) AS writer \
    FROM (SELECT SLEEP(0.4) AS waited) w \
    STRAIGHT_JOIN information_schema.INNODB_TRX t \
    LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id \
    WHERE t.trx_is_read_only = 0 AND w.waited = 0 AND (p.DB IS NULL OR p.DB = DATABASE())";

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn a_word_is_not_a_pattern() {
        assert_eq!(contains("50%_a|b"), "%50|%|_a||b%");
    }
}
