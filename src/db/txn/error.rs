//! Errors of transactions, and their mapping to [`ShopError`].

use std::fmt;

use sea_orm::DbErr;

use super::attempts::retried_because_of;
use crate::{
    db::engine,
    metrics::{
        selling,
        transactions::{CONNECTION, DEADLINE, PANIC, RULE, UNKNOWN},
    },
    model::ShopError,
};

/// Why a transaction did not commit. Only [`TxnError::Refused`] and [`TxnError::OutcomeUnknown`]
/// carry information for a shopper.
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
    #[error("{name}: did not finish before its deadline")]
    DeadlinePassed {
        name: &'static str,
        /// Whether an attempt had failed because of other transactions by then.
        contended: bool,
    },
    #[error("{name}: the connection was lost during COMMIT")]
    OutcomeUnknown { name: &'static str },
    #[error("{name}: the database reported an error")]
    Database { name: &'static str, source: DbErr },
    #[error("{name}: panicked")]
    Panicked { name: &'static str },
}

impl TxnError {
    /// True if a key was claimed already, or an amount does not fit: the statement was undone as a
    /// whole, and a transaction of several statements can find out which.
    pub fn is_undone_by_key_or_amount(&self) -> bool {
        match self {
            Self::Database { source, .. } => {
                engine::is_unique_violation(source) || engine::is_out_of_range(source)
            }
            _ => false,
        }
    }

    /// Why the last attempt was rolled back, as a label of the metrics.
    pub fn rollback_reason(&self) -> String {
        match self {
            Self::Refused(_) => RULE.to_owned(),
            Self::Unavailable { source: None, .. } => CONNECTION.to_owned(),
            Self::Unavailable {
                source: Some(source),
                ..
            }
            | Self::Database { source, .. } => engine::sqlstate(source),
            Self::Exhausted { source, .. } => retried_because_of(source),
            Self::DeadlinePassed { .. } => DEADLINE.to_owned(),
            Self::OutcomeUnknown { .. } => UNKNOWN.to_owned(),
            Self::Panicked { .. } => PANIC.to_owned(),
        }
    }

    /// Why the shopper got no success, as a label of the metrics: the error into which this one is
    /// turned.
    pub fn refusal_reason(&self) -> &'static str {
        match self {
            Self::Refused(error) => selling::refusal(error),
            Self::Unavailable { .. }
            | Self::DeadlinePassed {
                contended: false, ..
            } => "unavailable",
            Self::Exhausted { .. }
            | Self::DeadlinePassed {
                contended: true, ..
            } => "busy",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::Database { .. } | Self::Panicked { .. } => "internal",
        }
    }

    /// Copies the error for another caller of the same transaction. The copy holds the source's
    /// text only.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let as_text = |source: &DbErr| {
            if engine::is_refused_by_breaker(source) {
                engine::refused_by_breaker()
            } else {
                DbErr::Custom(source.to_string())
            }
        };
        match self {
            Self::Refused(error) => Self::Refused(error.clone()),
            Self::Unavailable { name, source } => Self::Unavailable {
                name,
                source: source.as_ref().map(as_text),
            },
            Self::Exhausted {
                name,
                attempts,
                source,
            } => Self::Exhausted {
                name,
                attempts: *attempts,
                source: as_text(source),
            },
            Self::DeadlinePassed { name, contended } => Self::DeadlinePassed {
                name,
                contended: *contended,
            },
            Self::OutcomeUnknown { name } => Self::OutcomeUnknown { name },
            Self::Database { name, source } => Self::Database {
                name,
                source: as_text(source),
            },
            Self::Panicked { name } => Self::Panicked { name },
        }
    }
}

impl From<TxnError> for ShopError {
    /// Turns a failure into an error for a shopper. A failure that a shopper cannot act on is
    /// logged here, once, with the incident number that the shopper gets.
    fn from(error: TxnError) -> Self {
        match error {
            TxnError::Refused(error) => error,
            TxnError::Unavailable { .. }
            | TxnError::DeadlinePassed {
                contended: false, ..
            } => {
                log_failure(&error);
                Self::Unavailable { retry_after_s: 2 }
            }
            TxnError::Exhausted { .. }
            | TxnError::DeadlinePassed {
                contended: true, ..
            } => {
                log_failure(&error);
                Self::Busy { retry_after_s: 1 }
            }
            TxnError::OutcomeUnknown { .. } => Self::OutcomeUnknown { retry_after_s: 2 },
            TxnError::Database { .. } | TxnError::Panicked { .. } => {
                let incident = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
                tracing::error!(incident, error = %ErrorChain(&error), "transaction failed");
                Self::Internal { incident }
            }
        }
    }
}

/// Logs a failure, unless the breaker refused the transaction: it logs that it opens, and a line
/// for each refusal would hide the cause.
fn log_failure(error: &TxnError) {
    if let TxnError::Unavailable {
        source: Some(source),
        ..
    } = error
        && engine::is_refused_by_breaker(source)
    {
        return;
    }
    tracing::error!(error = %ErrorChain(error), "transaction failed");
}

/// Formats an error with all of its sources, on one line.
pub struct ErrorChain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for ErrorChain<'_> {
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

/// Maps the error of a read outside a transaction to a [`ShopError`].
pub fn read_error(error: DbErr) -> ShopError {
    let name = "read";
    ShopError::from(if engine::is_unavailable(&error) {
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
