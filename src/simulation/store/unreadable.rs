//! Runs that cannot be read: another version stored them in another format, or their row is
//! damaged. A list shows such a run as one row, so that it hides no other one.

use super::reading;
use crate::{db::entity::simulation_run, model::RunSnapshot, shop::moment};

/// A run of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum ListedRun {
    Readable(Box<RunSnapshot>),
    Unreadable(UnreadableRun),
}

/// What is known of a run that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRun {
    pub id: String,
    pub name: String,
    /// In UTC, as a page shows it.
    pub started_at: String,
}

impl ListedRun {
    pub(super) fn of(run: simulation_run::Model) -> Self {
        let known = UnreadableRun {
            id: run.id.to_string(),
            name: run.name.clone().unwrap_or_else(|| "Run".to_owned()),
            started_at: moment::in_utc(run.started_at),
        };
        match reading::snapshot(run) {
            Ok(run) => Self::Readable(Box::new(run)),
            Err(error) => {
                tracing::debug!(%error, run = known.id, "a stored run cannot be read");
                Self::Unreadable(known)
            }
        }
    }

    /// The id of the run.
    pub fn id(&self) -> &str {
        match self {
            Self::Readable(run) => &run.id,
            Self::Unreadable(run) => &run.id,
        }
    }

    /// Returns the run if it can be read.
    pub fn readable(self) -> Option<RunSnapshot> {
        match self {
            Self::Readable(run) => Some(*run),
            Self::Unreadable(_) => None,
        }
    }
}
