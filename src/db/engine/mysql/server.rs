//! The server: its version, its state in a cluster, and the databases on it.

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, MySqlPool, Row},
};

use crate::db::connect::error::ConnectError;

/// What Doorbuster runs on.
const NEEDED: &str = "MariaDB 10.6 or MySQL 8.0, or later";
/// The state of a cluster's node that has its data and belongs to the majority.
pub const SYNCED: &str = "Synced";

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

/// Reads [`ServerConnections`](crate::db::server_load::ServerConnections).
pub const CONNECTIONS: &str = "\
    SELECT COUNT(*) AS used, CAST(@@max_connections AS SIGNED) - COUNT(*) AS free \
    FROM information_schema.PROCESSLIST";

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
pub async fn check_version(pool: &MySqlPool) -> Result<(), ConnectError> {
    let version = text(pool, "SELECT VERSION()", 0).await?;
    let version = version.unwrap_or_default();
    if is_supported(&version) {
        return Ok(());
    }
    Err(ConnectError::OldServer {
        found: version,
        needed: NEEDED,
    })
}

/// Checks that a node of a cluster has its data and belongs to the majority. Any other node rejects
/// every statement about a table.
///
/// # Errors
/// [`ConnectError::NotSynced`]; [`ConnectError::Unreachable`].
pub async fn check_synced(pool: &MySqlPool) -> Result<(), ConnectError> {
    // A server without a cluster has no such status.
    let state = text(
        pool,
        "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'",
        1,
    );
    let Some(state) = state.await?.filter(|state| state != SYNCED) else {
        return Ok(());
    };
    let node = text(pool, "SELECT @@wsrep_node_name", 0).await?;
    Err(ConnectError::NotSynced {
        node: node.unwrap_or_default(),
        state,
    })
}

/// Returns the text in a column of the first row; `None` if there is no row. A node that is not
/// synced prepares no statement, so this one is sent as it is.
async fn text(
    pool: &MySqlPool,
    sql: &'static str,
    column: usize,
) -> Result<Option<String>, ConnectError> {
    let row = sqlx::raw_sql(sql).fetch_optional(pool).await;
    row.and_then(|row| row.map(|row| row.try_get(column)).transpose())
        .map_err(|error| {
            ConnectError::Unreachable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
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
