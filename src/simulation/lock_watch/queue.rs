//! From sessions that wait for each other to lines, each behind a door.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::wait_graph::positions;
use crate::{
    db::lock_watch::Whose,
    model::{
        DbLock, DbSession,
        lock_queue::{AtLock, LockLine, LockQueue, ReadMarks},
        statement::shorten,
    },
};

/// Lines that are shown.
const LINES_MAX: usize = 6;
/// Waiters of a line that are shown.
const WAITERS_MAX: usize = 12;
/// Locks of a holder that are named.
const LOCKS_NAMED_MAX: usize = 4;

/// The lines among `sessions`, as [`crate::db::lock_watch::sessions`] returns them for `whose`.
///
/// Within a line the order is that in which the lock will be given: who waits for more of the others stands further behind. How long each has
/// waited does not tell: whoever is next in line for a row begins another wait, for its holder's transaction.
pub fn queue(sessions: &[DbSession], whose: &Whose, elapsed: Duration) -> LockQueue {
    let by_pid: HashMap<i32, &DbSession> = sessions.iter().map(|one| (one.pid, one)).collect();
    let mut lines: HashMap<i32, Vec<(usize, &DbSession)>> = HashMap::new();
    for (session, position) in sessions.iter().zip(positions(sessions)) {
        if position.depth > 0 {
            let line = lines.entry(position.holder).or_default();
            line.push((position.depth, session));
        }
    }
    let mut lines: Vec<_> = lines
        .into_iter()
        .filter_map(|(holder, waiters)| Some(line(by_pid.get(&holder)?, waiters, whose)))
        .collect();
    lines.sort_by_key(|line| (Reverse(line.len()), line.holder.pid));
    let hidden = lines.iter().skip(LINES_MAX).map(LockLine::len).sum();
    lines.truncate(LINES_MAX);
    LockQueue {
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        hidden,
        at_work: at_work(sessions),
        in_memory: None,
        read_marks: read_marks(sessions),
        lines,
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

fn line(holder: &DbSession, mut waiters: Vec<(usize, &DbSession)>, whose: &Whose) -> LockLine {
    waiters.sort_by(|(behind, one), (other_behind, other)| {
        let longest_first = other.waiting_ms.unwrap_or_default();
        let longest_first = longest_first.total_cmp(&one.waiting_ms.unwrap_or_default());
        behind.cmp(other_behind).then(longest_first)
    });
    let shown = waiters.iter().take(WAITERS_MAX);
    LockLine {
        holder: at_lock(holder, whose),
        waiters: shown.map(|(_, session)| at_lock(session, whose)).collect(),
        hidden: waiters.len().saturating_sub(WAITERS_MAX),
    }
}

fn at_lock(session: &DbSession, whose: &Whose) -> AtLock {
    let is_asked = match whose {
        Whose::Pids(pids) => pids.contains(&session.pid),
        Whose::Applications(names) => names.contains(&session.application),
    };
    AtLock {
        pid: session.pid,
        outsider: (!is_asked).then(|| session.application.clone()),
        state: session.state.clone(),
        statement: shorten(&session.statement),
        locks: match session.awaited() {
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

/// What a holder holds, as far as it keeps others waiting. Row locks stand in the rows; what shows of them is the transaction.
fn held(session: &DbSession) -> Vec<String> {
    let keeping = |lock: &&DbLock| {
        lock.granted
            && lock.mode != READ_MARK
            && matches!(lock.kind.as_str(), "advisory" | "tuple" | "transactionid")
    };
    let locks = session.locks.iter().filter(keeping);
    locks.take(LOCKS_NAMED_MAX).map(DbLock::in_words).collect()
}

/// A lock that keeps nobody, and only tells who has read what.
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
    fn check(sessions: &[DbSession], expected: &str) -> LockQueue {
        let whose = Whose::Applications(vec![BUYERS.to_owned()]);
        let queue = queue(sessions, &whose, Duration::ZERO);
        let lines: Vec<_> = queue
            .lines
            .iter()
            .map(|line| {
                let waiters: Vec<_> = line.waiters.iter().map(|at| at.pid.to_string()).collect();
                format!("{}: {}", line.holder.pid, waiters.join(" "))
            })
            .collect();
        assert_eq!(lines.join(" | "), expected);
        queue
    }

    #[test]
    fn who_is_behind_more_stands_further_back_however_long_it_has_waited() {
        let sessions = [
            session(1, &[], 0.0),
            session(2, &[3, 4], 900.0),
            session(3, &[4], 950.0),
            session(4, &[1], 5.0),
        ];
        let queue = check(&sessions, "1: 4 3 2");
        assert_eq!((queue.waiting(), queue.at_work), (3, 0));
    }

    #[test]
    fn each_door_has_its_line_and_the_longest_comes_first() {
        let sessions = [
            session(1, &[], 0.0),
            session(2, &[1], 10.0),
            session(3, &[], 0.0),
            session(4, &[3], 10.0),
            session(5, &[3], 20.0),
            session(6, &[], 0.0),
        ];
        let queue = check(&sessions, "3: 5 4 | 1: 2");
        assert_eq!((queue.waiting(), queue.at_work), (3, 1));
    }

    #[test]
    fn a_circle_is_a_line_too() {
        let sessions = [
            session(7, &[8], 10.0),
            session(8, &[7], 20.0),
            session(9, &[8], 30.0),
        ];
        let queue = check(&sessions, "7: 8 9");
        assert_eq!(queue.lines[0].holder.waits_for, [8]);
    }

    #[test]
    fn a_blocker_that_has_gone_keeps_nobody() {
        check(&[session(2, &[1], 10.0)], "");
    }

    /// A waiter for a row is blocked by its holder and by every waiter before it: from the last of
    /// 2,000 waiters there are 2^1999 paths to the holder.
    #[test]
    fn two_thousand_waiters_for_one_row_are_one_queue() {
        let sessions: Vec<_> = (0..=2_000)
            .map(|pid| session(pid, &(0..pid).collect::<Vec<_>>(), 1.0))
            .collect();
        let whose = Whose::Applications(vec![BUYERS.to_owned()]);
        let queue = queue(&sessions, &whose, Duration::ZERO);
        let line = &queue.lines[0];
        assert_eq!((queue.lines.len(), queue.waiting()), (1, 2_000));
        assert_eq!(line.holder.pid, 0);
        let first: Vec<_> = line.waiters.iter().map(|waiter| waiter.pid).collect();
        assert_eq!(first, (1..=12).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let mut sessions = vec![session(1, &[], 0.0)];
        sessions.extend((2..22).map(|pid| session(pid, &[1], f64::from(pid))));
        let whose = Whose::Pids(vec![1]);
        let queue = queue(&sessions, &whose, Duration::ZERO);
        let line = &queue.lines[0];
        assert_eq!((line.waiters.len(), line.hidden, line.len()), (12, 8, 20));
        assert_eq!(line.holder.outsider, None);
        assert_eq!(line.waiters[0].outsider.as_deref(), Some(BUYERS));
    }
}
