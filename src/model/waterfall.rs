//! How the first attempts of a lane spent their time.

use serde::{Deserialize, Serialize};

/// The number of recorded attempts of a lane: the first that start.
pub const ROWS_MAX: usize = 40;

/// A part of an attempt's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Waiting for a connection, or in a queue before the database.
    PoolWait,
    /// Statements that take row locks.
    LockWait,
    /// All other statements, and pauses between them.
    Execute,
    /// COMMIT.
    Commit,
}

impl Part {
    /// Every part, in the usual order of a purchase.
    pub const ALL: [Self; 4] = [Self::PoolWait, Self::LockWait, Self::Execute, Self::Commit];

    /// The label on pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PoolWait => "Waiting for a connection",
            Self::LockWait => "Waiting for the lock",
            Self::Execute => "Executing",
            Self::Commit => "Committing",
        }
    }
}

/// The outcome of an attempt, as its buyer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// Still in progress.
    Open,
    Bought,
    #[serde(rename = "refused")]
    Rejected,
    Failed,
    /// The buyer did not wait for the response.
    #[serde(rename = "left")]
    Abandoned,
}

impl AttemptOutcome {
    /// The label on pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "in progress",
            Self::Bought => "bought",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The precision of an attempt's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// The start and end of each part are known.
    Moments,
    /// Only each part's total is known; they are drawn in their usual order.
    Sums,
    /// Only the whole duration is known: the buyer used another server.
    Whole,
}

/// One part of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub part: Part,
    /// Since the attempt started, in milliseconds.
    pub from_ms: f64,
    /// Since the attempt started, in milliseconds.
    pub to_ms: f64,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// From 0.
    pub buyer: u32,
    /// From 0.
    pub round: u32,
    /// Since the lane's first buyer started, in milliseconds.
    pub start_ms: f64,
    /// From the start to the response, or to now.
    pub latency_ms: f64,
    pub outcome: AttemptOutcome,
    /// Retries after the first try.
    pub retries: u32,
    pub precision: Precision,
    /// In chronological order; they do not overlap, and their sum does not exceed the latency.
    pub spans: Vec<Span>,
}

impl Row {
    /// The total of a part's spans, in milliseconds.
    pub fn spent_ms(&self, part: Part) -> f64 {
        let of_part = self.spans.iter().filter(|span| span.part == part);
        of_part.map(|span| span.to_ms - span.from_ms).sum()
    }

    /// The rest of the latency: backoff between tries, calls to the payment provider, a queue in
    /// the server's memory.
    pub fn unattributed_ms(&self) -> f64 {
        let known: f64 = Part::ALL.iter().map(|part| self.spent_ms(*part)).sum();
        (self.latency_ms - known).max(0.0)
    }
}

/// The rows of a lane, by start time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waterfall {
    pub rows: Vec<Row>,
}

impl Waterfall {
    /// The number of attempts that have ended.
    pub fn ended(&self) -> usize {
        let ended = |row: &&Row| row.outcome != AttemptOutcome::Open;
        self.rows.iter().filter(ended).count()
    }

    /// The lowest precision of all rows.
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
