//! The database engines.

use serde::{Deserialize, Serialize};

/// A database engine that Doorbuster runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseEngine {
    Postgres,
    /// MySQL or MariaDB.
    MySql,
}

impl DatabaseEngine {
    /// The name on pages and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL and MariaDB",
        }
    }
}

/// The engines that something runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    All,
    /// PostgreSQL, and why not the others: one clause without its subject.
    PostgresOnly(&'static str),
}

impl Engines {
    /// Why it does not run on `engine`; `None` if it does.
    pub const fn reason_against(self, engine: DatabaseEngine) -> Option<&'static str> {
        match (self, engine) {
            (Self::All, _) | (_, DatabaseEngine::Postgres) => None,
            (Self::PostgresOnly(reason), DatabaseEngine::MySql) => Some(reason),
        }
    }
}
