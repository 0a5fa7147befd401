//! Start and end times of the parts of a unit of work, for the few that are traced: a waterfall
//! chart needs points in time, not sums.
//!
//! Work runs inside [`Trace::follow`] to be traced. The transactions that begin there report to its
//! trace, also from their own tasks. Without a trace, each part costs one access to a task-local
//! variable.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::model::waterfall::Part;

/// The most parts that a trace stores: ten attempts have forty.
const TIMED_PARTS_MAX: usize = 64;

tokio::task_local! {
    static TRACE: Trace;
}

/// A handle to a trace; its clones share the reported parts.
#[derive(Clone, Debug)]
pub struct Trace {
    begin: Instant,
    timed_parts: Arc<Mutex<Vec<TimedPart>>>,
}

/// One part with its start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedPart {
    pub part: Part,
    /// The time since the trace began.
    pub from: Duration,
    /// The time since the trace began.
    pub to: Duration,
}

impl Trace {
    /// Creates a trace whose times count from `begin`.
    pub fn since(begin: Instant) -> Self {
        Self {
            begin,
            timed_parts: Arc::default(),
        }
    }

    /// Runs `work`; its transactions report to this trace.
    pub async fn follow<F: Future>(&self, work: F) -> F::Output {
        TRACE.scope(self.clone(), work).await
    }

    /// Returns the reported parts in order of time, without overlaps: lock waits are cut out of the
    /// execution around them.
    pub fn timed_parts(&self) -> Vec<TimedPart> {
        let reported = self.lock().clone();
        let (waits, others): (Vec<_>, Vec<_>) = reported
            .into_iter()
            .partition(|timed| timed.part == Part::LockWait);
        let mut all: Vec<_> = others
            .into_iter()
            .flat_map(|timed| subtract_waits(timed, &waits))
            .chain(waits.iter().copied())
            .collect();
        all.sort_by_key(|timed| timed.from);
        all
    }

    fn report(&self, part: Part, from: Instant) {
        let since = |instant: Instant| instant.saturating_duration_since(self.begin);
        let mut timed_parts = self.lock();
        if timed_parts.len() < TIMED_PARTS_MAX {
            timed_parts.push(TimedPart {
                part,
                from: since(from),
                to: since(Instant::now()),
            });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TimedPart>> {
        self.timed_parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the parts of `timed` that remain when `waits`, in order of time, are cut out of it.
fn subtract_waits(timed: TimedPart, waits: &[TimedPart]) -> Vec<TimedPart> {
    let mut left = Vec::new();
    let mut from = timed.from;
    for wait in waits {
        if wait.from >= timed.from && wait.to <= timed.to && wait.from >= from {
            left.push(TimedPart {
                from,
                to: wait.from,
                ..timed
            });
            from = wait.to;
        }
    }
    left.push(TimedPart { from, ..timed });
    left.retain(|piece| piece.from < piece.to || piece.part != Part::Execute);
    left
}

/// Reports a part that began at `from` and ends now, if this task is traced.
pub(super) fn mark(part: Part, from: Instant) {
    // Usually this task is not traced.
    let _ = TRACE.try_with(|trace| trace.report(part, from));
}

/// Spawns a task that is traced if its parent is, and whose log lines name the same request.
pub(super) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let work = work.in_current_span();
    match TRACE.try_with(Clone::clone) {
        Ok(trace) => tokio::spawn(TRACE.scope(trace, work)),
        Err(_) => tokio::spawn(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(part: Part, from: u64, to: u64) -> TimedPart {
        TimedPart {
            part,
            from: Duration::from_millis(from),
            to: Duration::from_millis(to),
        }
    }

    #[test]
    fn a_lock_wait_is_cut_out_of_the_execution_around_it() {
        let trace = Trace::since(Instant::now());
        let reported = [
            timed(Part::PoolWait, 0, 3),
            timed(Part::LockWait, 4, 4),
            timed(Part::LockWait, 6, 9),
            timed(Part::Execute, 3, 12),
            timed(Part::Commit, 12, 14),
            timed(Part::Execute, 20, 21),
        ];
        trace.lock().extend(reported);
        assert_eq!(
            trace.timed_parts(),
            [
                timed(Part::PoolWait, 0, 3),
                timed(Part::Execute, 3, 4),
                timed(Part::Execute, 4, 6),
                timed(Part::LockWait, 4, 4),
                timed(Part::LockWait, 6, 9),
                timed(Part::Execute, 9, 12),
                timed(Part::Commit, 12, 14),
                timed(Part::Execute, 20, 21),
            ]
        );
    }

    #[tokio::test]
    async fn a_spawned_task_reports_to_its_parents_trace() {
        let trace = Trace::since(Instant::now());
        mark(Part::Execute, Instant::now());
        trace
            .follow(async {
                let task = spawn(async { mark(Part::Commit, Instant::now()) });
                task.await.expect("it ends");
            })
            .await;
        let parts: Vec<_> = trace.timed_parts().iter().map(|timed| timed.part).collect();
        assert_eq!(parts, [Part::Commit]);
    }
}
