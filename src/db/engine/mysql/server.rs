//! The server: its version, and the databases on it.

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

use crate::db::connect::error::ConnectError;

/// What Doorbuster runs on.
const NEEDED: &str = "MariaDB 10.6 or MySQL 8.0, or later";

/// Reads [`ServerLoad`](crate::db::server_load::ServerLoad): the open transactions that use a
/// table, and the length of the history list. The stepper, whose sessions are idle on purpose, does
/// not run here, and the lock of the full audit uses no table.
pub const LOAD: &str = "\
    SELECT CAST(COUNT(CASE WHEN p.COMMAND = 'Sleep' AND p.TIME > 2 THEN 1 END) AS SIGNED) AS idle_in_transaction, \
      CAST(COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, t.trx_started, CONVERT_TZ(NOW(6), @@time_zone, 'SYSTEM'))), 0) \
        AS SIGNED) AS longest_transaction_us, \
      CAST(COALESCE((SELECT m.COUNT FROM information_schema.INNODB_METRICS m WHERE m.NAME = 'trx_rseg_history_len'), 0) \
        AS SIGNED) AS dead_rows \
    FROM information_schema.INNODB_TRX t \
    LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id";

/// Builds `CREATE DATABASE` with the name quoted.
pub fn create_database(name: &str) -> String {
    format!(
        "CREATE DATABASE `{}` CHARACTER SET utf8mb4",
        name.replace('`', "``")
    )
}

/// Checks the version of the server: it must know `SKIP LOCKED`, constraints and `JSON_TABLE`.
///
/// # Errors
/// [`ConnectError::OldServer`]; [`ConnectError::Unreachable`].
pub async fn check_version(connection: &impl ConnectionTrait) -> Result<(), ConnectError> {
    let statement = Statement::from_string(DatabaseBackend::MySql, "SELECT VERSION()");
    let row = connection.query_one_raw(statement).await;
    let row = row.map_err(ConnectError::Unreachable)?;
    let version: String = match row {
        Some(row) => row.try_get_by_index(0).map_err(ConnectError::Unreachable)?,
        None => String::new(),
    };
    if is_supported(&version) {
        return Ok(());
    }
    Err(ConnectError::OldServer {
        found: version,
        needed: NEEDED,
    })
}

/// Some versions of MariaDB begin with `5.5.5-`, for old clients.
fn is_supported(version: &str) -> bool {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    let found: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version.contains("MariaDB") {
        true => found >= (10, 6),
        false => found >= (8, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::is_supported;

    #[test]
    fn old_servers_are_refused() {
        for (version, expected) in [
            ("10.11.14-MariaDB-0+deb12u2", true),
            ("5.5.5-10.6.4-MariaDB-log", true),
            ("10.5.29-MariaDB", false),
            ("11.4.2-MariaDB", true),
            ("8.0.36-0ubuntu0.22.04.1", true),
            ("8.4.0", true),
            ("5.7.44-log", false),
            ("", false),
        ] {
            assert_eq!(is_supported(version), expected, "{version}");
        }
    }
}
