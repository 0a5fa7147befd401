//! A session of the stepper, as its page shows it.

use serde::{Deserialize, Serialize};

use super::{Guess, Script};

/// All that is known of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepperView {
    pub id: String,
    /// With the steps so far.
    pub script: Script,
    pub standing: Standing,
    pub actors: Vec<ActorView>,
    /// One a product.
    pub rows: Vec<RowView>,
    pub locks: Vec<LockView>,
    /// Once it is over.
    pub outcome: Option<Outcome>,
    pub guess: Option<Guess>,
    /// What a replay could not do, if it stopped before its end.
    pub note: Option<String>,
}

impl StepperView {
    /// True if `actor` may be let go now.
    pub fn may_go(&self, actor: usize) -> bool {
        self.standing == Standing::Open
            && self
                .actors
                .get(actor)
                .is_some_and(|actor| matches!(actor.state, ActorState::Stopped(_)))
    }

    /// Who would go next if it played by itself.
    pub fn suggested(&self) -> Option<usize> {
        self.script.suggested(|actor| self.may_go(actor))
    }

    /// The names of `actors`, as in `Buyer A and Buyer B`.
    pub fn names(&self, actors: &[usize]) -> String {
        let names: Vec<_> = actors
            .iter()
            .filter_map(|index| self.actors.get(*index))
            .map(|actor| actor.name.as_str())
            .collect();
        names.join(" and ")
    }
}

/// How a session stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It waits for the next step.
    Open,
    /// Everybody has been told yes or no.
    Over,
    /// It was ended before that, and what was open was rolled back: the reason, as a sentence.
    RolledBack(String),
}

/// One who takes part: a database session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorView {
    /// As in `Buyer A`.
    pub name: String,
    /// What it does, as in `row-lock · READ COMMITTED`.
    pub does: String,
    /// What has to be said beside it.
    pub note: Option<String>,
    /// The server's process of its session.
    pub pid: i32,
    pub state: ActorState,
    pub past: Vec<PastStep>,
}

/// Where somebody stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActorState {
    /// Before this statement.
    Stopped(Statement),
    /// In this statement, which the database lets wait.
    Waiting {
        statement: Statement,
        /// For these.
        on: Vec<usize>,
        /// For sessions that take no part in the story.
        others: Vec<i32>,
    },
    /// On the way to its next stop.
    Working,
    /// At the end.
    Ended {
        /// What it was told.
        told: String,
        /// Whether that was yes.
        served: bool,
    },
}

/// Something said to the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// As sent.
    pub sql: String,
    pub values: Vec<String>,
    /// Whether it is the one that the story is about.
    pub matters: bool,
}

impl Statement {
    /// Short enough to be read from afar.
    pub fn brief(&self) -> String {
        super::brief(&self.sql, &self.values)
    }
}

/// What the database answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    Affected(u64),
    Rows {
        columns: Vec<String>,
        rows: Vec<Vec<Option<String>>>,
    },
    Failed {
        sqlstate: Option<String>,
        message: String,
    },
}

/// A statement that has been answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastStep {
    /// The step by which it was let go, counted from 1.
    pub step: usize,
    pub statement: Statement,
    /// For whom it had to wait.
    pub waited_for: Vec<usize>,
    pub answer: Answer,
}

/// The counters of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
    pub version: i64,
}

/// A product's row: what is committed, and what each open transaction has written over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowView {
    pub product: String,
    pub committed: Counters,
    /// By actor.
    pub written: Vec<(usize, Counters)>,
    /// Who has the row locked.
    pub locked_by: Option<usize>,
}

/// A lock that somebody has or waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockView {
    pub actor: usize,
    /// As in `the row of Lane 4`.
    pub on: String,
    pub mode: String,
    pub granted: bool,
    /// Whether it stands between two buyers, or is one of those that every statement takes.
    pub telling: bool,
}

/// How it ended, counted in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub products: Vec<OutcomeRow>,
}

impl Outcome {
    /// Units on order lines.
    pub fn sold(&self) -> i64 {
        self.products.iter().map(|product| product.ordered).sum()
    }

    /// Units sold that were never there.
    pub fn oversold(&self) -> i64 {
        self.products.iter().map(OutcomeRow::oversold).sum()
    }
}

/// What became of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    pub product: String,
    pub counters: Counters,
    /// Units on the lines of orders that stand.
    pub ordered: i64,
}

impl OutcomeRow {
    /// Units on order lines beyond what there was.
    pub fn oversold(&self) -> i64 {
        (self.ordered - self.counters.total).max(0)
    }
}
