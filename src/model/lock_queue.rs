//! The lines at a lane's locks, as a page shows them: at each door who holds, and behind it who waits.

use serde::{Deserialize, Serialize};

use super::{StrategyKey, waterfall::Waterfall};

/// Somebody at a lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AtLock {
    /// The session's process at the database server.
    pub pid: i32,
    /// Not one of the lane's buyers, but somebody whom they wait for: what that calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outsider: Option<String>,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// The statement, shortened: the one that waits, or the holder's last.
    pub statement: String,
    /// The locks: the one that is waited for, or those that are held.
    pub locks: Vec<String>,
    /// Of who waits: at this very lock. Of who holds: since its transaction began. In milliseconds.
    pub for_ms: f64,
    /// Since the statement began: a statement may wait at several locks, one after the other.
    pub statement_ms: f64,
    /// Whom it waits for.
    pub waits_for: Vec<i32>,
}

/// A holder, and all who wait for it, directly or behind others, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockLine {
    pub holder: AtLock,
    /// The first of them; see `hidden`.
    pub waiters: Vec<AtLock>,
    /// Those who stand further behind.
    pub hidden: usize,
}

impl LockLine {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiters.len() + self.hidden
    }

    /// True when nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The statement at which all of its waiters stand, if it is one.
    pub fn common_statement(&self) -> Option<&str> {
        let (first, others) = self.waiters.split_first()?;
        let same = |waiter: &AtLock| waiter.statement == first.statement;
        others.iter().all(same).then_some(first.statement.as_str())
    }
}

/// What serializable transactions have put a mark on, to notice who reads what others write. These locks make nobody wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMarks {
    pub locks: usize,
    pub sessions: usize,
}

/// The lines at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockQueue {
    /// Since the lane's first buyer started.
    pub elapsed_ms: u64,
    /// The longest first.
    pub lines: Vec<LockLine>,
    /// Who waits in lines that are not shown.
    pub hidden: usize,
    /// Sessions in a transaction who neither wait nor are waited for.
    pub at_work: usize,
    /// Buyers in a line in the server's memory; none where the strategy has none.
    pub in_memory: Option<u64>,
    pub read_marks: ReadMarks,
}

impl LockQueue {
    /// How many wait for a lock of the database.
    pub fn waiting(&self) -> usize {
        self.lines.iter().map(LockLine::len).sum::<usize>() + self.hidden
    }

    /// How many wait, there or in memory.
    pub fn waiting_anywhere(&self) -> u64 {
        self.waiting() as u64 + self.in_memory.unwrap_or_default()
    }
}

/// Whose sessions a lane's picture shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Those of the lane's buyers, and whoever they wait for.
    #[default]
    Lane,
    /// Buyers buy at other servers: all sessions of shops at this database.
    Shops,
}

/// The locks of a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneLocks {
    pub strategy: StrategyKey,
    pub reach: Reach,
    /// The latest look; none before the lane's first and after its last.
    pub now: Option<LockQueue>,
    /// The first of the moments at which the most waited.
    pub busiest: Option<LockQueue>,
    pub waterfall: Waterfall,
    /// True when its last buyer has been served.
    pub over: bool,
}

impl LaneLocks {
    /// Those of a lane that nobody has looked at.
    pub fn unseen(strategy: StrategyKey) -> Self {
        Self {
            strategy,
            reach: Reach::default(),
            now: None,
            busiest: None,
            waterfall: Waterfall::default(),
            over: false,
        }
    }

    /// Takes a look in.
    pub fn see(&mut self, queue: LockQueue) {
        let most = self.busiest.as_ref().map_or(0, LockQueue::waiting_anywhere);
        if queue.waiting_anywhere() > most {
            self.busiest = Some(queue.clone());
        }
        self.now = Some(queue);
    }
}

/// What changed on a lane since a page was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneLocksNews {
    pub reach: Reach,
    pub now: Option<LockQueue>,
    pub busiest: Option<LockQueue>,
    /// None when it is as it was.
    pub waterfall: Option<Waterfall>,
    pub over: bool,
}

impl LaneLocks {
    /// Takes news in.
    pub fn take_in(&mut self, news: LaneLocksNews) {
        self.reach = news.reach;
        self.now = news.now;
        self.busiest = news.busiest;
        self.over = news.over;
        if let Some(waterfall) = news.waterfall {
            self.waterfall = waterfall;
        }
    }
}
