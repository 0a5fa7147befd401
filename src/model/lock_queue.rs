//! The lock queues of a lane, as a page shows them: for each lock, its holder and the sessions that
//! wait for it.

use serde::{Deserialize, Serialize};

use super::{StrategyKey, waterfall::Waterfall};

/// A session that holds a lock or waits for one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedSession {
    /// The process id of the session's backend.
    pub pid: i32,
    /// The `application_name` of a session that is not one of the lane's buyers but blocks one;
    /// `None` for a buyer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outsider: Option<String>,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// The statement, shortened: the waiting one, or the holder's latest.
    pub statement: String,
    /// The lock that it waits for, or the locks that it holds.
    pub locks: Vec<String>,
    /// For a waiting session, since it started to wait for this lock; for a holder, since its
    /// transaction started. In milliseconds.
    pub for_ms: f64,
    /// Since the statement started, in milliseconds: a statement can wait for several locks in
    /// turn.
    pub statement_ms: f64,
    /// The sessions that block it.
    pub waits_for: Vec<i32>,
}

/// The holder of a lock, and all sessions that wait for it, directly or indirectly, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockQueue {
    pub holder: QueuedSession,
    /// The first waiting sessions; `hidden` counts the others.
    pub waiters: Vec<QueuedSession>,
    /// The number of waiting sessions that are not listed.
    pub hidden: usize,
}

impl LockQueue {
    /// The number of waiting sessions.
    pub fn len(&self) -> usize {
        self.waiters.len() + self.hidden
    }

    /// True if no session waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The statement of all waiting sessions, if they wait in the same one.
    pub fn common_statement(&self) -> Option<&str> {
        let (first, others) = self.waiters.split_first()?;
        let same = |waiter: &QueuedSession| waiter.statement == first.statement;
        others.iter().all(same).then_some(first.statement.as_str())
    }
}

/// Predicate locks (`SIReadLock`) of serializable transactions, which detect reads of rows that
/// others write. They never block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMarks {
    pub locks: usize,
    pub sessions: usize,
}

/// The lock queues at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockSnapshot {
    /// Since the lane's first buyer started.
    pub elapsed_ms: u64,
    /// The longest queue first.
    #[serde(rename = "lines")]
    pub queues: Vec<LockQueue>,
    /// The number of sessions in queues that are not listed.
    pub hidden: usize,
    /// Sessions in a transaction that neither wait nor block.
    pub at_work: usize,
    /// Buyers in the server's in-memory queue; `None` if the strategy has none.
    pub in_memory: Option<u64>,
    pub read_marks: ReadMarks,
}

impl LockSnapshot {
    /// Sessions that wait for a database lock.
    pub fn waiting(&self) -> usize {
        self.queues.iter().map(LockQueue::len).sum::<usize>() + self.hidden
    }

    /// Sessions that wait for a database lock, plus buyers in the in-memory queue.
    pub fn waiting_anywhere(&self) -> u64 {
        self.waiting() as u64 + self.in_memory.unwrap_or_default()
    }
}

/// Which sessions a lane's lock snapshot includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockScope {
    /// The sessions of the lane's buyers, and the sessions that block them.
    #[default]
    Lane,
    /// All sessions of shops on this database, because the buyers use other servers.
    Shops,
}

/// The lock snapshots and the waterfall of a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneLocks {
    pub strategy: StrategyKey,
    #[serde(rename = "reach")]
    pub scope: LockScope,
    /// The latest snapshot; `None` before the first and after the lane has ended.
    pub now: Option<LockSnapshot>,
    /// The first snapshot with the most waiting sessions.
    pub busiest: Option<LockSnapshot>,
    pub waterfall: Waterfall,
    /// True if the lane's last attempt has ended.
    pub over: bool,
}

impl LaneLocks {
    /// Creates the state of a lane without snapshots.
    pub fn empty(strategy: StrategyKey) -> Self {
        Self {
            strategy,
            scope: LockScope::default(),
            now: None,
            busiest: None,
            waterfall: Waterfall::default(),
            over: false,
        }
    }

    /// Stores a new snapshot.
    pub fn record(&mut self, snapshot: LockSnapshot) {
        let most = self
            .busiest
            .as_ref()
            .map_or(0, LockSnapshot::waiting_anywhere);
        if snapshot.waiting_anywhere() > most {
            self.busiest = Some(snapshot.clone());
        }
        self.now = Some(snapshot);
    }
}

/// The changes of a lane since the page's previous update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneLocksUpdate {
    #[serde(rename = "reach")]
    pub scope: LockScope,
    pub now: Option<LockSnapshot>,
    pub busiest: Option<LockSnapshot>,
    /// `None` if it has not changed.
    pub waterfall: Option<Waterfall>,
    pub over: bool,
}

impl LaneLocks {
    /// Applies an update.
    pub fn apply(&mut self, update: LaneLocksUpdate) {
        self.scope = update.scope;
        self.now = update.now;
        self.busiest = update.busiest;
        self.over = update.over;
        if let Some(waterfall) = update.waterfall {
            self.waterfall = waterfall;
        }
    }
}
