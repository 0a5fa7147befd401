//! Groups the sessions that wait for each other into lock queues, each behind its holder.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::wait_graph::positions;
use crate::{
    db::lock_watch::SessionFilter,
    model::{
        DbLock, DbSession,
        lock_queue::{LockQueue, LockSnapshot, QueuedSession, ReadMarks},
        statement::shorten,
    },
};

/// Queues that are shown.
const QUEUES_MAX: usize = 6;
/// Waiters of a queue that are shown.
const WAITERS_MAX: usize = 12;
/// Locks of a holder that are named.
const LOCKS_NAMED_MAX: usize = 4;

/// The lock queues among `sessions`, as [`crate::db::lock_watch::sessions`] returns them for
/// `filter`.
///
/// Within a queue, a session that waits for more of the others comes later. The time that each has
/// waited does not give the order: the next waiter for a row starts a new wait, for the transaction
/// of its holder.
pub fn snapshot(sessions: &[DbSession], filter: &SessionFilter, elapsed: Duration) -> LockSnapshot {
    let by_pid: HashMap<i32, &DbSession> = sessions.iter().map(|one| (one.pid, one)).collect();
    let mut waiters: HashMap<i32, Vec<(usize, &DbSession)>> = HashMap::new();
    for (session, position) in sessions.iter().zip(positions(sessions)) {
        if position.depth > 0 {
            let queue = waiters.entry(position.holder).or_default();
            queue.push((position.depth, session));
        }
    }
    let mut queues: Vec<_> = waiters
        .into_iter()
        .filter_map(|(holder, waiters)| Some(queue(by_pid.get(&holder)?, waiters, filter)))
        .collect();
    queues.sort_by_key(|queue| (Reverse(queue.len()), queue.holder.pid));
    let hidden = queues.iter().skip(QUEUES_MAX).map(LockQueue::len).sum();
    queues.truncate(QUEUES_MAX);
    LockSnapshot {
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        hidden,
        at_work: at_work(sessions),
        in_memory: None,
        read_marks: read_marks(sessions),
        queues,
    }
}

/// Sessions in a transaction that neither wait nor block another.
fn at_work(sessions: &[DbSession]) -> usize {
    let blockers: HashSet<i32> = sessions
        .iter()
        .flat_map(|session| session.blocked_by.iter().copied())
        .collect();
    sessions
        .iter()
        .filter(|session| session.transaction_ms.is_some() && !session.waits())
        .filter(|session| !blockers.contains(&session.pid))
        .count()
}

fn queue(
    holder: &DbSession,
    mut waiters: Vec<(usize, &DbSession)>,
    filter: &SessionFilter,
) -> LockQueue {
    waiters.sort_by(|(behind, one), (other_behind, other)| {
        let longest_first = other.waiting_ms.unwrap_or_default();
        let longest_first = longest_first.total_cmp(&one.waiting_ms.unwrap_or_default());
        behind.cmp(other_behind).then(longest_first)
    });
    let shown = waiters.iter().take(WAITERS_MAX);
    LockQueue {
        holder: at_lock(holder, filter),
        waiters: shown.map(|(_, session)| at_lock(session, filter)).collect(),
        hidden: waiters.len().saturating_sub(WAITERS_MAX),
    }
}

fn at_lock(session: &DbSession, filter: &SessionFilter) -> QueuedSession {
    let is_asked = filter.selects(session);
    QueuedSession {
        pid: session.pid,
        outsider: (!is_asked).then(|| session.application.clone()),
        state: session.state.clone(),
        statement: shorten(&session.statement),
        locks: match session.awaited_lock() {
            Some(lock) => vec![lock.in_words()],
            None => held(session),
        },
        for_ms: session
            .waiting_ms
            .or(session.transaction_ms)
            .unwrap_or_default(),
        statement_ms: session.statement_ms.unwrap_or_default(),
        waits_for: session.blocked_by.clone(),
    }
}

/// What a holder holds, as far as it keeps others waiting. Row locks stand in the rows; what shows
/// of them is the transaction.
fn held(session: &DbSession) -> Vec<String> {
    let keeping = |lock: &&DbLock| {
        lock.granted
            && lock.mode != READ_MARK
            && matches!(lock.kind.as_str(), "advisory" | "tuple" | "transactionid")
    };
    let locks = session.locks.iter().filter(keeping);
    locks.take(LOCKS_NAMED_MAX).map(DbLock::in_words).collect()
}

/// The mode of a lock that blocks no session: it only marks what a transaction has read.
const READ_MARK: &str = "SIReadLock";

fn read_marks(sessions: &[DbSession]) -> ReadMarks {
    let marks = sessions.iter().map(|session| {
        let locks = session.locks.iter();
        locks.filter(|lock| lock.mode == READ_MARK).count()
    });
    marks
        .filter(|locks| *locks > 0)
        .fold(ReadMarks::default(), |all, locks| ReadMarks {
            locks: all.locks + locks,
            sessions: all.sessions + 1,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUYERS: &str = "buyers";

    fn session(pid: i32, blocked_by: &[i32], waiting_ms: f64) -> DbSession {
        DbSession {
            pid,
            application: BUYERS.to_owned(),
            transaction_ms: Some(900.0),
            waiting_ms: (!blocked_by.is_empty()).then_some(waiting_ms),
            blocked_by: blocked_by.to_vec(),
            ..DbSession::default()
        }
    }

    /// `holder: waiter waiter | holder: …`
    fn check(sessions: &[DbSession], expected: &str) -> LockSnapshot {
        let filter = SessionFilter::Applications(vec![BUYERS.to_owned()]);
        let snapshot = snapshot(sessions, &filter, Duration::ZERO);
        let queues: Vec<_> = snapshot
            .queues
            .iter()
            .map(|queue| {
                let waiters: Vec<_> = queue.waiters.iter().map(|at| at.pid.to_string()).collect();
                format!("{}: {}", queue.holder.pid, waiters.join(" "))
            })
            .collect();
        assert_eq!(queues.join(" | "), expected);
        snapshot
    }

    #[test]
    fn a_session_that_waits_for_more_of_the_others_comes_later() {
        let sessions = [
            session(1, &[], 0.0),
            session(2, &[3, 4], 900.0),
            session(3, &[4], 950.0),
            session(4, &[1], 5.0),
        ];
        let snapshot = check(&sessions, "1: 4 3 2");
        assert_eq!((snapshot.waiting(), snapshot.at_work), (3, 0));
    }

    #[test]
    fn each_holder_has_its_queue_and_the_longest_comes_first() {
        let sessions = [
            session(1, &[], 0.0),
            session(2, &[1], 10.0),
            session(3, &[], 0.0),
            session(4, &[3], 10.0),
            session(5, &[3], 20.0),
            session(6, &[], 0.0),
        ];
        let snapshot = check(&sessions, "3: 5 4 | 1: 2");
        assert_eq!((snapshot.waiting(), snapshot.at_work), (3, 1));
    }

    #[test]
    fn a_deadlock_is_a_queue_too() {
        let sessions = [
            session(7, &[8], 10.0),
            session(8, &[7], 20.0),
            session(9, &[8], 30.0),
        ];
        let snapshot = check(&sessions, "7: 8 9");
        assert_eq!(snapshot.queues[0].holder.waits_for, [8]);
    }

    #[test]
    fn a_blocker_that_has_ended_blocks_no_session() {
        check(&[session(2, &[1], 10.0)], "");
    }

    /// A waiter for a row is blocked by its holder and by every waiter before it: from the last of
    /// 2,000 waiters there are 2^1999 paths to the holder.
    #[test]
    fn two_thousand_waiters_for_one_row_are_one_queue() {
        let sessions: Vec<_> = (0..=2_000)
            .map(|pid| session(pid, &(0..pid).collect::<Vec<_>>(), 1.0))
            .collect();
        let filter = SessionFilter::Applications(vec![BUYERS.to_owned()]);
        let snapshot = snapshot(&sessions, &filter, Duration::ZERO);
        let queue = &snapshot.queues[0];
        assert_eq!((snapshot.queues.len(), snapshot.waiting()), (1, 2_000));
        assert_eq!(queue.holder.pid, 0);
        let first: Vec<_> = queue.waiters.iter().map(|waiter| waiter.pid).collect();
        assert_eq!(first, (1..=12).collect::<Vec<_>>());
    }

    #[test]
    fn waiters_that_are_not_shown_are_counted() {
        let mut sessions = vec![session(1, &[], 0.0)];
        sessions.extend((2..22).map(|pid| session(pid, &[1], f64::from(pid))));
        let filter = SessionFilter::Pids(vec![1]);
        let snapshot = snapshot(&sessions, &filter, Duration::ZERO);
        let queue = &snapshot.queues[0];
        assert_eq!(
            (queue.waiters.len(), queue.hidden, queue.len()),
            (12, 8, 20)
        );
        assert_eq!(queue.holder.outsider, None);
        assert_eq!(queue.waiters[0].outsider.as_deref(), Some(BUYERS));
    }
}
