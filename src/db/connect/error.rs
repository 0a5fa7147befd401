//! Why no connection could be opened.

use sea_orm::DbErr;

/// Why no pool could be opened. The messages are for an operator; none contains the URL, which may
/// hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "DATABASE_URL is not the URL of a database (postgres://user:password@host:5432/name or mysql://user:password@host:3306/name): {0}"
    )]
    Url(String),
    #[error("the database {database} does not exist and could not be created: {source}")]
    Create { database: String, source: DbErr },
    #[error("the server of DATABASE_URL is {found}; Doorbuster needs {needed}")]
    OldServer { found: String, needed: &'static str },
    #[error(
        "the server of DATABASE_URL is the node {node} of a cluster, and its state is {state}, not Synced: it has lost the majority of the cluster, or does not have its data yet. Wait until it is synced, or use another node"
    )]
    NotSynced { node: String, state: String },
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[source] DbErr),
}
