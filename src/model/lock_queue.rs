//! The lock queues of a lane, as a page shows them: for each lock, its holder and the sessions that
//! wait for it.

use serde::{Deserialize, Serialize};

use super::{StrategyKey, waterfall::Waterfall};

/// Waiting sessions in the preview of a lane's locks.
const PREVIEW_WAITERS: usize = 3;

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

    /// Keeps the first waiting sessions of the longest queue, and counts the others as hidden.
    fn shorten(&mut self) {
        let others = self.queues.iter().skip(1).map(LockQueue::len);
        self.hidden += others.sum::<usize>();
        self.queues.truncate(1);
        for queue in &mut self.queues {
            queue.hidden += queue.waiters.len().saturating_sub(PREVIEW_WAITERS);
            queue.waiters.truncate(PREVIEW_WAITERS);
        }
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
    /// All sessions of the servers that the run started, which all lanes share.
    OwnServers,
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

    /// Returns the part with which a page of several lanes begins: the start of the longest queue,
    /// with the numbers of all waiting sessions, and no waterfall.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.waterfall = Waterfall::default();
        if self.now.is_some() {
            // The page shows the latest snapshot.
            self.busiest = None;
        }
        for snapshot in [&mut self.now, &mut self.busiest].into_iter().flatten() {
            snapshot.shorten();
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(waiters: usize, hidden: usize) -> LockQueue {
        LockQueue {
            waiters: vec![QueuedSession::default(); waiters],
            hidden,
            ..LockQueue::default()
        }
    }

    #[test]
    fn a_preview_is_short_and_counts_every_waiting_session() {
        let mut locks = LaneLocks::empty(StrategyKey::RowLock);
        locks.record(LockSnapshot {
            queues: vec![queue(12, 40), queue(5, 0), queue(2, 0)],
            hidden: 7,
            ..LockSnapshot::default()
        });
        locks.now = None;
        let preview = locks.preview().busiest.unwrap_or_default();
        assert_eq!(preview.waiting(), 12 + 40 + 5 + 2 + 7);
        let listed: Vec<_> = preview.queues.iter().map(|one| one.waiters.len()).collect();
        assert_eq!(listed, [PREVIEW_WAITERS]);
    }

    #[test]
    fn a_preview_has_the_snapshot_that_the_page_shows() {
        let mut locks = LaneLocks::empty(StrategyKey::RowLock);
        locks.record(LockSnapshot {
            queues: vec![queue(2, 0)],
            ..LockSnapshot::default()
        });
        let preview = locks.preview();
        assert!(preview.now.is_some() && preview.busiest.is_none());
    }
}
