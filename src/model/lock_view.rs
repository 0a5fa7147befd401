//! Sessions and locks of the database: which session holds a lock, which waits for which, since
//! when, and in which statement.

use serde::{Deserialize, Serialize};

/// A session of the database server, from `pg_stat_activity`, `pg_locks` and `pg_blocking_pids`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DbSession {
    /// The process id of the session's backend.
    pub pid: i32,
    /// The client's `application_name`.
    pub application: String,
    /// `active`, `idle`, `idle in transaction`, …; empty if the server does not report it.
    pub state: String,
    /// The current statement, or the last one. The server stores only its first 1,024 bytes.
    pub statement: String,
    /// Since the statement started, in milliseconds.
    pub statement_ms: Option<f64>,
    /// Since the transaction started, in milliseconds; `None` outside of a transaction.
    pub transaction_ms: Option<f64>,
    /// The wait event type: `Lock`, `Client`, `IO`, …
    pub wait_kind: Option<String>,
    /// The wait event, for example `transactionid` or `WALWrite`.
    pub wait_event: Option<String>,
    /// Since it started to wait for a lock, in milliseconds; `None` if it does not wait for one.
    pub waiting_ms: Option<f64>,
    /// Sessions that block it: the holders of the lock, and those before it in the lock queue.
    pub blocked_by: Vec<i32>,
    /// Locks that it holds or waits for, without those that every statement takes: indexes, system
    /// catalogs, its own virtual transaction.
    pub locks: Vec<DbLock>,
}

/// A lock that a session holds or waits for.
///
/// A held row lock is stored in the row itself and never in `pg_locks`: the first session that
/// needs the row waits for the holder's `transactionid` and holds the `tuple` lock meanwhile; later
/// ones wait for the `tuple` lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DbLock {
    /// `relation`, `tuple`, `transactionid`, `advisory`, …
    pub kind: String,
    /// For example `RowExclusiveLock`, `ExclusiveLock` or `SIReadLock`.
    pub mode: String,
    pub granted: bool,
    /// The lock's table, if it has one.
    pub relation: Option<String>,
    /// The locked object: `(page,tuple)` of a row, a transaction id, or an advisory lock's key.
    pub object: Option<String>,
    /// Since it was requested, in milliseconds; `None` if it is held, and before PostgreSQL 14.
    pub waiting_ms: Option<f64>,
}

impl DbLock {
    /// The lock's text on pages.
    pub fn in_words(&self) -> String {
        let object = self.object.as_deref().unwrap_or_default();
        let table = self.relation.as_deref().unwrap_or("another table");
        match self.kind.as_str() {
            "transactionid" => format!("transaction {object}"),
            "tuple" => format!("row {object} of {table}"),
            "page" => format!("page {object} of {table}"),
            "relation" => format!("table {table} ({})", self.mode),
            "advisory" => format!("advisory lock {object}"),
            kind => format!("{kind} {object}"),
        }
    }
}

impl DbSession {
    /// True while another session blocks it.
    pub fn waits(&self) -> bool {
        !self.blocked_by.is_empty()
    }

    /// The lock that it waits for.
    pub fn awaited_lock(&self) -> Option<&DbLock> {
        self.locks.iter().find(|lock| !lock.granted)
    }
}
