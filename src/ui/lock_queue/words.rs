//! What is said about the line at a lock, in sentences.

use super::Moment;
use crate::model::{
    StrategyKey,
    lock_queue::{LaneLocks, LockQueue, Reach},
};

/// Who waits, in one sentence.
pub fn sentence(moment: Moment, queue: Option<&LockQueue>) -> String {
    match (moment, queue) {
        (Moment::Ahead, _) => "The lane’s buyers have not come yet.".to_owned(),
        (Moment::Missing, _) => "Of this run no picture was kept.".to_owned(),
        (_, None) => "Whenever it was looked, nobody waited.".to_owned(),
        (moment, Some(queue)) => {
            let waiting = queue.waiting();
            let wait = match (moment, waiting) {
                (_, 0) => "Nobody waits for a lock of the database.".to_owned(),
                (Moment::Now, 1) => "1 waits.".to_owned(),
                (Moment::Now, _) => format!("{waiting} wait."),
                _ => format!("{waiting} waited."),
            };
            match (queue.at_work, waiting) {
                (0, _) => wait,
                (1, 0) => format!("{wait} One session is in a transaction."),
                (sessions, 0) => format!("{wait} {sessions} sessions are in a transaction."),
                (1, _) => format!("{wait} One more is in a transaction, and in nobody’s way."),
                (more, _) => {
                    format!("{wait} {more} more are in a transaction, and in nobody’s way.")
                }
            }
        }
    }
}

/// What else is to be said.
pub fn beside(locks: &LaneLocks, moment: Moment, queue: Option<&LockQueue>) -> Vec<String> {
    let mut said = Vec::new();
    let in_memory = matches!(
        locks.strategy,
        StrategyKey::MicroBatch | StrategyKey::ProcessMutex
    );
    match queue.and_then(|queue| queue.in_memory) {
        Some(waiting) => said.push(format!(
            "The line of {} stands in this server’s memory, where the database does not see it: {waiting} in it.",
            locks.strategy
        )),
        None if in_memory => said.push(format!(
            "The line of {} stands in the memory of the server that sells; how long it is is not known here.",
            locks.strategy
        )),
        None => {}
    }
    if locks.reach == Reach::Shops {
        said.push(
            "The buyers went to other servers: this shows all sessions of shops at this database, other lanes and shoppers included."
                .to_owned(),
        );
    }
    if let Some(marks) = queue
        .map(|queue| queue.read_marks)
        .filter(|marks| marks.locks > 0)
    {
        said.push(format!(
            "{} SIREAD locks of {} sessions mark what serializable transactions have read. They make nobody wait: who breaks the order is aborted.",
            marks.locks, marks.sessions
        ));
    }
    if let (Moment::Now, Some(busiest)) = (moment, &locks.busiest) {
        said.push(format!(
            "Most so far: {} waited, {} after the start.",
            busiest.waiting_anywhere(),
            duration_of_ms(busiest.elapsed_ms)
        ));
    }
    said
}

/// Who stands in a line without being one of its buyers.
pub fn outsider(name: &str) -> String {
    match name {
        "" => "No buyer of this lane".to_owned(),
        name => format!("No buyer of this lane: {name}"),
    }
}

/// Whom somebody waits for: one or two by name, of more the first.
pub fn whom(pids: &[i32]) -> String {
    match pids {
        [] => "nobody".to_owned(),
        [one] => one.to_string(),
        [one, other] => format!("{one} and {other}"),
        [one, others @ ..] => format!("{one} and {} others", others.len()),
    }
}

/// Milliseconds below a second, seconds from there on.
pub fn duration(ms: f64) -> String {
    if ms < 999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1_000.0)
    }
}

/// The same of whole milliseconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
pub fn duration_of_ms(ms: u64) -> String {
    duration(ms as f64)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_are_short() {
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
