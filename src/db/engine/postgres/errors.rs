//! The meaning of SQLSTATE codes.

/// Serialization failure, deadlock and lock timeout.
pub fn is_retryable(state: &str) -> bool {
    matches!(state, "40001" | "40P01" | "55P03")
}

pub fn is_unique_violation(state: &str) -> bool {
    state == "23505"
}

/// A number does not fit into its column.
pub fn is_out_of_range(state: &str) -> bool {
    state == "22003"
}

/// Class 08 is a connection exception, 57 an operator intervention or a statement timeout, 53
/// insufficient resources; 25P03 and 25P04 end a session that was idle in a transaction, as when
/// its client froze.
pub fn is_unavailable(state: &str) -> bool {
    ["08", "57", "53", "25P03", "25P04"]
        .iter()
        .any(|class| state.starts_with(class))
}

/// Connection exceptions; a crash of the server, and its recovery.
pub fn is_connection_lost(state: &str) -> bool {
    ["08", "57P02", "57P03"]
        .iter()
        .any(|class| state.starts_with(class))
}

/// Class 08, and 57P01 to 57P03: the connection failed, or the server stops or starts. 53300: it
/// has no connection left.
pub fn is_unresponsive(state: &str) -> bool {
    ["08", "57P01", "57P02", "57P03", "53300"]
        .iter()
        .any(|class| state.starts_with(class))
}

pub fn is_absent_database(state: &str) -> bool {
    state == "3D000"
}

/// Two concurrent `CREATE DATABASE` may also conflict in the catalog's unique index.
pub fn is_already_there(state: &str) -> bool {
    matches!(state, "42P04" | "23505")
}
