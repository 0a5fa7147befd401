//! Why a unit of work came to nothing, and what that means to a shopper.

use std::fmt;

use sea_orm::DbErr;

use crate::{db::dialect, model::ShopError};

/// Why a transaction did not commit. Only [`TxnError::Refused`] and [`TxnError::OutcomeUnknown`] say anything to a shopper.
#[derive(Debug, thiserror::Error)]
pub enum TxnError {
    #[error(transparent)]
    Refused(ShopError),
    #[error("{name}: the database is not available")]
    Unavailable {
        name: &'static str,
        source: Option<DbErr>,
    },
    #[error("{name}: gave up after {attempts} attempts")]
    Exhausted {
        name: &'static str,
        attempts: u32,
        source: DbErr,
    },
    #[error("{name}: not finished by its deadline")]
    DeadlinePassed {
        name: &'static str,
        /// Whether an attempt had failed for others by then.
        contended: bool,
    },
    #[error("{name}: the connection was lost in COMMIT")]
    OutcomeUnknown { name: &'static str },
    #[error("{name}: the database refused a statement")]
    Database { name: &'static str, source: DbErr },
    #[error("{name}: panicked")]
    Panicked { name: &'static str },
}

impl TxnError {
    /// The same failure for another of those who shared the transaction. Its source is told as text.
    #[must_use]
    pub fn for_another(&self) -> Self {
        let told = |source: &DbErr| DbErr::Custom(source.to_string());
        match self {
            Self::Refused(error) => Self::Refused(error.clone()),
            Self::Unavailable { name, source } => Self::Unavailable {
                name,
                source: source.as_ref().map(told),
            },
            Self::Exhausted {
                name,
                attempts,
                source,
            } => Self::Exhausted {
                name,
                attempts: *attempts,
                source: told(source),
            },
            Self::DeadlinePassed { name, contended } => Self::DeadlinePassed {
                name,
                contended: *contended,
            },
            Self::OutcomeUnknown { name } => Self::OutcomeUnknown { name },
            Self::Database { name, source } => Self::Database {
                name,
                source: told(source),
            },
            Self::Panicked { name } => Self::Panicked { name },
        }
    }
}

impl From<TxnError> for ShopError {
    /// The boundary at which a failure becomes something to tell a shopper. What they cannot act on is logged here, once, under the
    /// incident number that they are given.
    fn from(error: TxnError) -> Self {
        match error {
            TxnError::Refused(error) => error,
            TxnError::Unavailable { .. }
            | TxnError::DeadlinePassed {
                contended: false, ..
            } => {
                tracing::error!(error = %Chain(&error), "transaction failed");
                Self::Unavailable { retry_after_s: 2 }
            }
            TxnError::Exhausted { .. }
            | TxnError::DeadlinePassed {
                contended: true, ..
            } => {
                tracing::error!(error = %Chain(&error), "transaction failed");
                Self::Busy { retry_after_s: 1 }
            }
            TxnError::OutcomeUnknown { .. } => Self::OutcomeUnknown { retry_after_s: 2 },
            TxnError::Database { .. } | TxnError::Panicked { .. } => {
                let incident = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
                tracing::error!(incident, error = %Chain(&error), "transaction failed");
                Self::Internal { incident }
            }
        }
    }
}

/// An error with all of its sources, on one line.
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// What a read outside of a transaction says to a shopper when the database fails it.
pub fn read_error(error: DbErr) -> ShopError {
    let name = "read";
    ShopError::from(if dialect::is_unavailable(&error) {
        TxnError::Unavailable {
            name,
            source: Some(error),
        }
    } else {
        TxnError::Database {
            name,
            source: error,
        }
    })
}
