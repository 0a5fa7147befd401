//! What a lock is on, whatever the engine calls it.

use serde::{Deserialize, Serialize};

/// What a lock is on.
///
/// | kind | PostgreSQL | InnoDB |
/// |---|---|---|
/// | row | the end of the holder's transaction | a record, or the gap before it |
/// | queue | the next lock on a row | nothing: the requests of a record are its queue |
/// | table | a relation | a table |
/// | named | an advisory lock | a lock of `GET_LOCK` |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockKind {
    Row,
    /// The place of the next session that gets a row lock.
    Queue,
    Table,
    Named,
    /// A lock of the server on something of its own.
    Other,
}
