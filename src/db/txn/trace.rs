//! When the parts of a unit of work began and ended, for the few that are followed: a waterfall shows moments, not sums.
//!
//! Whoever is to be followed runs inside of [`Trace::follow`]; the transactions that begin there report to its trace, also from the tasks of
//! their own in which they run. Everybody else pays for one look at a task's local storage a part.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use crate::model::waterfall::Part;

/// Parts of one trace that are kept: ten attempts have forty.
const MOMENTS_MAX: usize = 64;

tokio::task_local! {
    static TRACE: Trace;
}

/// A handle; clones share what is reported.
#[derive(Clone, Debug)]
pub struct Trace {
    begin: Instant,
    moments: Arc<Mutex<Vec<Moment>>>,
}

/// One part, from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub part: Part,
    /// Since the trace began.
    pub from: Duration,
    /// Since the trace began.
    pub to: Duration,
}

impl Trace {
    /// One in which times count from `begin`.
    pub fn since(begin: Instant) -> Self {
        Self {
            begin,
            moments: Arc::default(),
        }
    }

    /// Runs `work`, whose transactions report to this trace.
    pub async fn follow<F: Future>(&self, work: F) -> F::Output {
        TRACE.scope(self.clone(), work).await
    }

    /// What was reported so far, in order of time, no two parts at once: what a transaction did while it did not wait for a lock is
    /// cut where it did.
    pub fn moments(&self) -> Vec<Moment> {
        let reported = self.lock().clone();
        let (waits, others): (Vec<_>, Vec<_>) = reported
            .into_iter()
            .partition(|moment| moment.part == Part::LockWait);
        let mut all: Vec<_> = others
            .into_iter()
            .flat_map(|moment| without(moment, &waits))
            .chain(waits.iter().copied())
            .collect();
        all.sort_by_key(|moment| moment.from);
        all
    }

    fn report(&self, part: Part, from: Instant) {
        let since = |instant: Instant| instant.saturating_duration_since(self.begin);
        let mut moments = self.lock();
        if moments.len() < MOMENTS_MAX {
            moments.push(Moment {
                part,
                from: since(from),
                to: since(Instant::now()),
            });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Moment>> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of `moment` when `waits`, in order of time, are cut out of it.
fn without(moment: Moment, waits: &[Moment]) -> Vec<Moment> {
    let mut left = Vec::new();
    let mut from = moment.from;
    for wait in waits {
        if wait.from >= moment.from && wait.to <= moment.to && wait.from >= from {
            left.push(Moment {
                from,
                to: wait.from,
                ..moment
            });
            from = wait.to;
        }
    }
    left.push(Moment { from, ..moment });
    left.retain(|piece| piece.from < piece.to || piece.part != Part::Execute);
    left
}

/// Reports a part that began at `from` and is over now, if anybody follows.
pub(super) fn mark(part: Part, from: Instant) {
    // Nobody does, as a rule.
    let _ = TRACE.try_with(|trace| trace.report(part, from));
}

/// A task that is followed if its parent is.
pub(super) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    match TRACE.try_with(Clone::clone) {
        Ok(trace) => tokio::spawn(TRACE.scope(trace, work)),
        Err(_) => tokio::spawn(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(part: Part, from: u64, to: u64) -> Moment {
        Moment {
            part,
            from: Duration::from_millis(from),
            to: Duration::from_millis(to),
        }
    }

    #[test]
    fn a_wait_is_cut_out_of_the_work_around_it() {
        let trace = Trace::since(Instant::now());
        let reported = [
            moment(Part::PoolWait, 0, 3),
            moment(Part::LockWait, 4, 4),
            moment(Part::LockWait, 6, 9),
            moment(Part::Execute, 3, 12),
            moment(Part::Commit, 12, 14),
            moment(Part::Execute, 20, 21),
        ];
        trace.lock().extend(reported);
        assert_eq!(
            trace.moments(),
            [
                moment(Part::PoolWait, 0, 3),
                moment(Part::Execute, 3, 4),
                moment(Part::Execute, 4, 6),
                moment(Part::LockWait, 4, 4),
                moment(Part::LockWait, 6, 9),
                moment(Part::Execute, 9, 12),
                moment(Part::Commit, 12, 14),
                moment(Part::Execute, 20, 21),
            ]
        );
    }

    #[tokio::test]
    async fn a_task_of_its_own_reports_to_who_follows() {
        let trace = Trace::since(Instant::now());
        mark(Part::Execute, Instant::now());
        trace
            .follow(async {
                let task = spawn(async { mark(Part::Commit, Instant::now()) });
                task.await.expect("it ends");
            })
            .await;
        let parts: Vec<_> = trace.moments().iter().map(|moment| moment.part).collect();
        assert_eq!(parts, [Part::Commit]);
    }
}
