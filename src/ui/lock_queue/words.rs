//! Sentences about a lock queue.

use super::ShownSnapshot;
use crate::model::{
    QueueLocation,
    lock_queue::{LaneLocks, LockScope, LockSnapshot},
};

/// Summarises how many sessions wait.
pub fn summary(shown: ShownSnapshot, snapshot: Option<&LockSnapshot>) -> String {
    match (shown, snapshot) {
        (ShownSnapshot::NotStarted, _) => "This lane’s buyers have not started yet.".to_owned(),
        (ShownSnapshot::NotSaved, _) => "No lock snapshot was saved for this run.".to_owned(),
        (_, None) => "No session was waiting in any snapshot.".to_owned(),
        (shown, Some(snapshot)) => {
            let waiting = snapshot.waiting();
            let wait = match (shown, waiting) {
                (_, 0) => "No session waits for a database lock.".to_owned(),
                (ShownSnapshot::Current, 1) => "1 session waits.".to_owned(),
                (ShownSnapshot::Current, _) => format!("{waiting} sessions wait."),
                _ => format!("{waiting} sessions waited."),
            };
            match (snapshot.at_work, waiting) {
                (0, _) => wait,
                (1, 0) => format!("{wait} One session is in a transaction."),
                (sessions, 0) => format!("{wait} {sessions} sessions are in a transaction."),
                (1, _) => format!("{wait} One more is in a transaction and blocks no other."),
                (more, _) => {
                    format!("{wait} {more} more are in transactions and block no other.")
                }
            }
        }
    }
}

/// Returns the notes to show below the queues.
pub fn notes(
    locks: &LaneLocks,
    shown: ShownSnapshot,
    snapshot: Option<&LockSnapshot>,
) -> Vec<String> {
    let mut notes = Vec::new();
    let in_memory = locks.strategy.row().queue == QueueLocation::ServerMemory;
    match snapshot.and_then(|snapshot| snapshot.in_memory) {
        Some(waiting) => notes.push(format!(
            "{} queues buyers in this server’s memory, invisible to the database: {waiting} waiting.",
            locks.strategy
        )),
        None if in_memory => notes.push(format!(
            "{} queues buyers in the memory of the selling server. The length of that queue is not known here.",
            locks.strategy
        )),
        None => {}
    }
    let of_servers = match locks.scope {
        LockScope::Lane => None,
        LockScope::Shops => Some(
            "The buyers used other servers. This shows all shop sessions of the database, including other lanes and shoppers.",
        ),
        LockScope::OwnServers => Some(
            "The buyers used the servers of this run. This shows all of their sessions, including those of other lanes.",
        ),
    };
    notes.extend(of_servers.map(ToOwned::to_owned));
    if let Some(marks) = snapshot
        .map(|snapshot| snapshot.read_marks)
        .filter(|marks| marks.locks > 0)
    {
        notes.push(format!(
            "{} SIREAD locks of {} sessions mark what serializable transactions have read. They block no session: the database aborts a transaction that breaks the serial order.",
            marks.locks, marks.sessions
        ));
    }
    if let (ShownSnapshot::Current, Some(busiest)) = (shown, &locks.busiest) {
        notes.push(format!(
            "Longest queue so far: {} waiting, {} after the start.",
            busiest.waiting_anywhere(),
            duration_of_ms(busiest.elapsed_ms)
        ));
    }
    notes
}

/// Labels a session that is in a queue without being one of the lane's buyers.
pub fn outsider_label(name: &str) -> String {
    match name {
        "" => "Not a buyer of this lane".to_owned(),
        name => format!("Not a buyer of this lane: {name}"),
    }
}

/// Formats the process ids that a session waits for: one or two in full, of more only the first.
pub fn format_pids(pids: &[i32]) -> String {
    match pids {
        [] => "no session".to_owned(),
        [one] => one.to_string(),
        [one, other] => format!("{one} and {other}"),
        [one, others @ ..] => format!("{one} and {} others", others.len()),
    }
}

/// Formats a duration: milliseconds below one second, seconds from there on.
pub fn duration(ms: f64) -> String {
    if ms < 999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1_000.0)
    }
}

/// Formats a duration given in whole milliseconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
pub fn duration_of_ms(ms: u64) -> String {
    duration(ms as f64)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_use_a_fitting_unit() {
        for (ms, text) in [
            (0.2, "0 ms"),
            (120.4, "120 ms"),
            (999.6, "1.0 s"),
            (61_500.0, "61.5 s"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
