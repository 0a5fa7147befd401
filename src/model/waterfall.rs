//! Where the first buyers of a lane spent their time, moment by moment.

use serde::{Deserialize, Serialize};

/// Attempts of a lane that are followed: the first to begin.
pub const ROWS_MAX: usize = 40;

/// What an attempt spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Waiting for a connection, or in a line in front of the database.
    PoolWait,
    /// In the statements that take row locks.
    LockWait,
    /// In all other statements, and in pauses between them.
    Execute,
    /// In COMMIT.
    Commit,
}

impl Part {
    /// All, in the order in which a purchase usually meets them.
    pub const ALL: [Self; 4] = [Self::PoolWait, Self::LockWait, Self::Execute, Self::Commit];

    /// The part, as it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PoolWait => "Waiting for a connection",
            Self::LockWait => "Waiting for the lock",
            Self::Execute => "Executing",
            Self::Commit => "Committing",
        }
    }
}

/// How an attempt ended, as its buyer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not yet.
    Open,
    Bought,
    Refused,
    Failed,
    /// The buyer did not wait for the answer.
    Left,
}

impl Outcome {
    /// The outcome, as it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "still at it",
            Self::Bought => "bought",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Left => "left",
        }
    }
}

/// How well the parts of an attempt are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// When each began and ended.
    Moments,
    /// How long each took in all: they are drawn in their usual order.
    Sums,
    /// Nothing but the whole: the buyer went to another server.
    Whole,
}

/// One part of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub part: Part,
    /// Since the attempt began, in milliseconds.
    pub from_ms: f64,
    /// Since the attempt began, in milliseconds.
    pub to_ms: f64,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// From 0.
    pub buyer: u32,
    /// From 0.
    pub round: u32,
    /// Since the lane's first buyer was let go, in milliseconds.
    pub start_ms: f64,
    /// From there to the answer, or to now.
    pub latency_ms: f64,
    pub outcome: Outcome,
    /// Tries beyond the first.
    pub retries: u32,
    pub precision: Precision,
    /// In order of time; never two at once, and together never longer than the latency.
    pub spans: Vec<Span>,
}

impl Row {
    /// What the spans of a part come to, in milliseconds.
    pub fn spent_ms(&self, part: Part) -> f64 {
        let of_part = self.spans.iter().filter(|span| span.part == part);
        of_part.map(|span| span.to_ms - span.from_ms).sum()
    }

    /// What is left of the latency: pauses between two tries, the way to the provider and back, a line in the server's memory.
    pub fn elsewhere_ms(&self) -> f64 {
        let known: f64 = Part::ALL.iter().map(|part| self.spent_ms(*part)).sum();
        (self.latency_ms - known).max(0.0)
    }
}

/// The rows of a lane, by their beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waterfall {
    pub rows: Vec<Row>,
}

impl Waterfall {
    /// Rows that have ended.
    pub fn ended(&self) -> usize {
        let ended = |row: &&Row| row.outcome != Outcome::Open;
        self.rows.iter().filter(ended).count()
    }

    /// How well the least known of its rows is known.
    pub fn precision(&self) -> Precision {
        let any = |precision| self.rows.iter().any(|row| row.precision == precision);
        if any(Precision::Whole) {
            Precision::Whole
        } else if any(Precision::Sums) {
            Precision::Sums
        } else {
            Precision::Moments
        }
    }
}
