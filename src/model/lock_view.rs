//! What the database says of the sessions at its locks: who holds, who waits for whom, since when, on which statement.

use serde::{Deserialize, Serialize};

/// One session of the database server, as `pg_stat_activity`, `pg_locks` and `pg_blocking_pids` describe it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DbSession {
    /// The server's process.
    pub pid: i32,
    /// What the client calls itself.
    pub application: String,
    /// `active`, `idle`, `idle in transaction`, …; empty where the server does not say.
    pub state: String,
    /// The statement that runs, or the last one that ran. The server keeps its first 1,024 bytes.
    pub statement: String,
    /// Since the statement began, in milliseconds.
    pub statement_ms: Option<f64>,
    /// Since the transaction began; none outside of one.
    pub transaction_ms: Option<f64>,
    /// `Lock`, `Client`, `IO`, …: what kind of thing it waits for.
    pub wait_kind: Option<String>,
    /// What it waits for, as in `transactionid` or `WALWrite`.
    pub wait_event: Option<String>,
    /// Since it began to wait for a lock; none when it does not wait for one.
    pub waiting_ms: Option<f64>,
    /// Those who must go on before it can: who holds what it waits for, and who stands before it in the line.
    pub blocked_by: Vec<i32>,
    /// What it holds and what it waits for, without what every statement takes: indexes, catalogues, its own virtual transaction.
    pub locks: Vec<DbLock>,
}

/// A lock that a session holds or waits for.
///
/// A row lock that is held stands in the row itself and never here: whoever wants the row waits for the holder's `transactionid`, and
/// whoever comes after waits for the `tuple`, which the first in line keeps while it waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DbLock {
    /// `relation`, `tuple`, `transactionid`, `advisory`, …
    pub kind: String,
    /// As in `RowExclusiveLock`, `ExclusiveLock` or `SIReadLock`.
    pub mode: String,
    pub granted: bool,
    /// The table that it belongs to, if it belongs to one.
    pub relation: Option<String>,
    /// Which one: `(page,tuple)` of a row, a transaction's number, an advisory lock's key.
    pub object: Option<String>,
    /// Since it was asked for; none when it is held, and on servers before PostgreSQL 14.
    pub waiting_ms: Option<f64>,
}

impl DbLock {
    /// The lock, as it is shown.
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
    /// True while it stands at a lock that it has not got.
    pub fn waits(&self) -> bool {
        !self.blocked_by.is_empty()
    }

    /// The lock that it waits for.
    pub fn awaited(&self) -> Option<&DbLock> {
        self.locks.iter().find(|lock| !lock.granted)
    }
}
