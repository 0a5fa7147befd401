//! A stepper session, as its page shows it.

use serde::{Deserialize, Serialize};

use super::{Guess, LockKind, Script};
use crate::model::DatabaseEngine;

/// The complete state of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepperView {
    pub id: String,
    /// The engine whose sessions these are.
    pub engine: DatabaseEngine,
    /// The script, with the steps so far.
    pub script: Script,
    pub status: StepperStatus,
    pub actors: Vec<ActorView>,
    /// One row per product.
    pub rows: Vec<RowView>,
    pub locks: Vec<LockView>,
    /// `None` until the session has ended.
    pub outcome: Option<StepperOutcome>,
    pub guess: Option<Guess>,
    /// The time of day until which it is kept open without a step, if it is.
    #[serde(default)]
    pub kept_until: Option<String>,
    /// The database connections that it uses while it is open, at most.
    #[serde(default)]
    pub connections: u32,
    /// Why a replay stopped before its end.
    pub note: Option<String>,
}

impl StepperView {
    /// True if `actor` can run its next statement now.
    pub fn can_step(&self, actor: usize) -> bool {
        self.status == StepperStatus::Open
            && self
                .actors
                .get(actor)
                .is_some_and(|actor| matches!(actor.state, ActorState::Stopped(_)))
    }

    /// The next actor if the story plays automatically.
    pub fn suggested(&self) -> Option<usize> {
        let script = self.script.story.script(self.engine);
        self.script.suggested(script, |actor| self.can_step(actor))
    }

    /// What the engine calls the id of a session.
    pub const fn session_word(&self) -> &'static str {
        match self.engine {
            DatabaseEngine::Postgres => "pid",
            DatabaseEngine::MySql => "connection",
        }
    }

    /// What the engine calls a session that is not part of the story.
    pub const fn other_session_word(&self) -> &'static str {
        match self.engine {
            DatabaseEngine::Postgres => "process",
            DatabaseEngine::MySql => "connection",
        }
    }

    /// The names of `actors`, for example `Buyer A and Buyer B`.
    pub fn names(&self, actors: &[usize]) -> String {
        let names: Vec<_> = actors
            .iter()
            .filter_map(|index| self.actors.get(*index))
            .map(|actor| actor.name.as_str())
            .collect();
        names.join(" and ")
    }
}

/// The status of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepperStatus {
    /// Waiting for the next step.
    Open,
    /// All actors have finished.
    Over,
    /// Ended early; open transactions were rolled back. The text is the reason, as a sentence.
    RolledBack(String),
}

/// An actor of the story, with its own database session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorView {
    /// For example `Buyer A`.
    pub name: String,
    /// For example `row-lock · READ COMMITTED`.
    pub description: String,
    /// A note beside the actor.
    pub note: Option<String>,
    /// The id of its session: of the backend process, or of the connection.
    pub pid: i32,
    pub state: ActorState,
    pub past: Vec<PastStep>,
}

/// The state of an actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActorState {
    /// Stopped before this statement.
    Stopped(Statement),
    /// Blocked in this statement by a lock.
    Waiting {
        statement: Statement,
        /// Actors that block it.
        on: Vec<usize>,
        /// Blocking sessions that are not part of the story, by id.
        others: Vec<i32>,
    },
    /// Running; its next statement has not been reached.
    Working,
    /// Finished.
    Ended {
        /// The shop's response.
        message: String,
        /// Whether the purchase or task succeeded.
        succeeded: bool,
    },
}

/// A statement sent to the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The SQL as sent.
    pub sql: String,
    pub values: Vec<String>,
    /// Whether the story is about this statement.
    pub highlighted: bool,
}

impl Statement {
    /// The statement, shortened for the projector.
    pub fn abbreviated(&self) -> String {
        super::abbreviate(&self.sql, &self.values)
    }

    /// The values of its parameters, as in `$1 = 7, $2 = 1`.
    pub fn values_in_words(&self) -> String {
        let mark = if self.sql.contains("$1") { '$' } else { '?' };
        let values = self.values.iter().enumerate();
        let values: Vec<_> = values
            .map(|(index, value)| format!("{mark}{} = {value}", index + 1))
            .collect();
        values.join(", ")
    }
}

/// The result of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatementResultView {
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

/// A statement that has finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastStep {
    /// The step that started it, counted from 1.
    pub step: usize,
    pub statement: Statement,
    /// Actors that blocked it.
    pub waited_for: Vec<usize>,
    pub result: StatementResultView,
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

/// A product's stock row: the committed counters, and the uncommitted ones of each open
/// transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowView {
    pub product: String,
    pub committed: Counters,
    /// Uncommitted counters, by actor.
    pub written: Vec<(usize, Counters)>,
    /// The actor that holds the row lock.
    pub locked_by: Option<usize>,
    /// The actors that have locked the row against writes while others may read it.
    pub shared_by: Vec<usize>,
}

/// A lock that an actor holds or waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockView {
    pub actor: usize,
    pub kind: LockKind,
    /// The locked object, for example `the row of Lane 4`.
    pub on: String,
    /// The engine's own word.
    pub mode: String,
    pub granted: bool,
    /// Whether the lock can block another actor; every statement also takes locks that cannot.
    pub relevant: bool,
}

/// The outcome of a session, from the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepperOutcome {
    pub products: Vec<OutcomeRow>,
}

impl StepperOutcome {
    /// Units on order lines.
    pub fn sold(&self) -> i64 {
        self.products.iter().map(|product| product.ordered).sum()
    }

    /// Oversold units.
    pub fn oversold(&self) -> i64 {
        self.products.iter().map(OutcomeRow::oversold).sum()
    }
}

/// The outcome of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    pub product: String,
    pub counters: Counters,
    /// Units on the lines of valid orders.
    pub ordered: i64,
}

impl OutcomeRow {
    /// Units on order lines that exceed the stock.
    pub fn oversold(&self) -> i64 {
        (self.ordered - self.counters.total).max(0)
    }
}
