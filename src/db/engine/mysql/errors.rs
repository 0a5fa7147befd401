//! The meaning of the server's error numbers. Its SQLSTATE codes are only general categories.

/// Returns the number that means what the server reports.
///
/// A node of a cluster ends a transaction that conflicts with one of another node. If it does so
/// while a trigger of the statement is read, MariaDB reports the trigger as broken (1064, seen with
/// 10.11), which none of the schema is.
pub fn condition(number: u16, message: &str) -> u16 {
    let is_trigger = message.starts_with("Unknown trigger has an error in its body");
    if number == 1064 && is_trigger {
        1213
    } else {
        number
    }
}

/// Deadlock, also with a named lock; lock timeout, which MariaDB also reports for `NOWAIT`;
/// `NOWAIT` on MySQL; a row that changed since the snapshot. A cluster reports a conflict between
/// nodes as a deadlock, also at COMMIT.
///
/// A lock timeout undoes only its statement. The caller rolls the transaction back before it tries
/// again.
pub fn is_retryable(number: u16) -> bool {
    matches!(number, 1213 | 3058 | 1205 | 3572 | 1020)
}

pub fn is_unique_violation(number: u16) -> bool {
    matches!(number, 1062 | 1586)
}

/// A number does not fit into its column, or a result into its type.
pub fn is_out_of_range(number: u16) -> bool {
    matches!(number, 1264 | 1690)
}

/// The disk is full, or cannot be written. 1114: InnoDB cannot extend a table. The numbers below
/// 1000 are those of MariaDB's file functions, which report it first: 3 for a write, as 1026; 14
/// for a file that cannot be extended; 20 for a full disk, as 1021.
fn is_disk_full(number: u16) -> bool {
    matches!(number, 3 | 14 | 20 | 1021 | 1026 | 1114)
}

/// Too many connections, no memory or disk space, a node without its cluster (1047; 1180 at COMMIT,
/// which may have reached the others), a shutdown, a broken connection, a server that only reads, a
/// killed session, a statement that took too long.
pub fn is_unavailable(number: u16) -> bool {
    is_disk_full(number)
        || matches!(
            number,
            1037 | 1040 | 1041 | 1047 | 1053 | 1079 | 1152
                ..=1161 | 1180 | 1184 | 1203 | 1290 | 1317 | 1836 | 1927 | 1969 | 3024 | 4031
        )
}

/// A shutdown, or a connection that broke.
pub fn is_connection_lost(number: u16) -> bool {
    matches!(number, 1053 | 1079 | 1152..=1161 | 1184)
}

/// The connection failed, the server stops, or it has no connection left (1040, 1203).
pub fn is_unresponsive(number: u16) -> bool {
    is_connection_lost(number) || matches!(number, 1040 | 1203)
}

pub fn is_absent_database(number: u16) -> bool {
    number == 1049
}

pub fn is_already_there(number: u16) -> bool {
    number == 1007
}

/// Returns PostgreSQL's code for the condition that a number reports, or `other`: the server's own
/// codes are the same for a deadlock and for a changed row.
pub fn sqlstate(number: u16) -> &'static str {
    match number {
        1213 | 3058 => "40P01",
        1020 => "40001",
        1205 | 3572 => "55P03",
        1062 | 1586 => "23505",
        1451 | 1452 => "23503",
        3819 | 4025 => "23514",
        1264 | 1690 => "22003",
        1290 | 1836 => "25006",
        _ if is_disk_full(number) => "53100",
        1037 | 1041 => "53200",
        1040 | 1203 => "53300",
        1317 | 1969 | 3024 => "57014",
        1053 | 1079 => "57P01",
        4031 => "25P03",
        1927 | 1047 | 1152..=1161 | 1184 => "08006",
        _ => "other",
    }
}

/// Returns the name of the CHECK constraint or unique index that an error reports as violated. The
/// server says it only in the message.
pub fn broken_constraint(number: u16, message: &str) -> Option<String> {
    let (mark, quote) = match number {
        // CONSTRAINT `stock_conserved` failed for `shop`.`stock`
        4025 => ("CONSTRAINT `", '`'),
        // Check constraint 'stock_conserved' is violated.
        3819 => ("Check constraint '", '\''),
        // Duplicate entry '…' for key 'product_slug_key', on MySQL 'product.product_slug_key'
        1062 => (" for key '", '\''),
        _ => return None,
    };
    let (_, rest) = message.rsplit_once(mark)?;
    let (name, _) = rest.split_once(quote)?;
    Some(name.rsplit('.').next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A conflict between nodes wrote nothing. A node that lost its cluster cannot say what became
    /// of a commit.
    #[test]
    fn errors_of_a_cluster_are_retried_or_mean_that_it_is_unavailable() {
        for (number, is_retried) in [(1213, true), (1047, false), (1180, false)] {
            assert_eq!(is_retryable(number), is_retried, "{number}");
            assert_eq!(is_unavailable(number), !is_retried, "{number}");
            assert!(!is_connection_lost(number), "{number}");
        }
    }

    #[test]
    fn a_trigger_that_another_node_interrupts_is_a_conflict() {
        let interrupted = "Unknown trigger has an error in its body: 'Query was empty'";
        assert!(is_retryable(condition(1064, interrupted)));
        let wrong = "You have an error in your SQL syntax; check the manual";
        assert!(!is_retryable(condition(1064, wrong)));
        assert_eq!(condition(1062, "Duplicate entry"), 1062);
    }

    /// InnoDB reports a disk without space as a full table, or as a file that cannot be extended.
    #[test]
    fn a_full_disk_is_unavailable_and_no_internal_error() {
        for number in [3, 14, 20, 1021, 1026, 1114] {
            assert_eq!(sqlstate(number), "53100", "{number}");
            assert!(is_unavailable(number) && !is_retryable(number), "{number}");
            // The server is there: its callers are not refused before they ask it.
            assert!(!is_unresponsive(number), "{number}");
        }
    }

    #[test]
    fn every_condition_is_a_label_of_the_metrics() {
        let labels = crate::metrics::transactions::ROLLBACKS;
        for number in 0..=u16::MAX {
            let state = sqlstate(number);
            assert!(labels.contains(&state), "{number}: {state}");
            let is_known = is_retryable(number) || is_unique_violation(number);
            assert!(!is_known || state != "other", "{number}");
        }
    }

    #[test]
    fn the_message_names_the_constraint() {
        for (number, message, name) in [
            (
                4025,
                "CONSTRAINT `stock_available_not_negative` failed for `shop`.`stock`",
                Some("stock_available_not_negative"),
            ),
            (
                3819,
                "Check constraint 'stock_conserved' is violated.",
                Some("stock_conserved"),
            ),
            (
                1062,
                "Duplicate entry 'a for key 'b' for key 'product.product_slug_key'",
                Some("product_slug_key"),
            ),
            (1048, "Column 'name' cannot be null", None),
        ] {
            assert_eq!(
                broken_constraint(number, message).as_deref(),
                name,
                "{message}"
            );
        }
    }
}
