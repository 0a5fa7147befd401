//! Traces the first attempts of a lane: when each waited, executed and committed.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    buyer::{Attempt, AttemptResult},
    schedule::PlannedAttempt,
};
use crate::{
    db::txn::{TimeSplit, trace::Trace},
    model::{
        plan::FaultKind,
        waterfall::{AttemptOutcome, Part, Precision, ROWS_MAX, Row, Span, Waterfall},
    },
};

/// Records the attempts of a lane that start first. For all others it costs one read of a counter.
#[derive(Debug)]
pub struct WaterfallRecorder {
    /// False if only the total latency of an attempt is known.
    in_process: bool,
    started: AtomicUsize,
    entries: Mutex<Vec<Entry>>,
}

/// A traced attempt.
#[derive(Debug)]
struct Entry {
    buyer: u32,
    round: u32,
    /// Since the start of the lane.
    start: Duration,
    /// The moment from which its latency counts.
    started: Instant,
    trace: Trace,
    end: Option<End>,
}

/// The result of a traced attempt that has ended.
#[derive(Clone, Copy, Debug)]
struct End {
    latency: Duration,
    outcome: AttemptOutcome,
    retries: u32,
    split: TimeSplit,
    /// A double click: the moments of its two requests overlap.
    is_double_click: bool,
}

impl WaterfallRecorder {
    /// Creates an empty recorder, for buyers in this process or at another server.
    pub fn new(in_process: bool) -> Self {
        Self {
            in_process,
            started: AtomicUsize::new(0),
            entries: Mutex::default(),
        }
    }

    /// Awaits `buy`, an attempt whose latency counts from `start` in a lane that started at
    /// `begin`, and traces it if it is one of the first.
    pub async fn trace(
        &self,
        planned: &PlannedAttempt,
        (begin, start): (Instant, Instant),
        buy: impl Future<Output = Attempt>,
    ) -> Attempt {
        if self.started.load(Ordering::Relaxed) >= ROWS_MAX {
            return buy.await;
        }
        let place = self.started.fetch_add(1, Ordering::Relaxed);
        if place >= ROWS_MAX {
            return buy.await;
        }
        let trace = Trace::since(start);
        self.lock().push(Entry {
            buyer: planned.buyer,
            round: planned.round,
            start: start.saturating_duration_since(begin),
            started: start,
            trace: trace.clone(),
            end: None,
        });
        let attempt = trace.follow(buy).await;
        self.end(planned, start.elapsed(), &attempt);
        attempt
    }

    fn end(&self, planned: &PlannedAttempt, latency: Duration, attempt: &Attempt) {
        let mut entries = self.lock();
        let mut entries = entries.iter_mut();
        let entry =
            entries.find(|entry| (entry.buyer, entry.round) == (planned.buyer, planned.round));
        if let Some(entry) = entry {
            entry.end = Some(End {
                latency,
                outcome: outcome(&attempt.result),
                retries: attempt.cost.retries,
                split: attempt.cost.split,
                is_double_click: planned.fault == Some(FaultKind::DoubleClick),
            });
        }
    }

    /// Returns the rows as of `now`, in the order of their start.
    pub fn snapshot(&self, now: Instant) -> Waterfall {
        let entries = self.lock();
        let mut rows: Vec<_> = entries.iter().map(|entry| self.row(entry, now)).collect();
        rows.sort_by(|one, other| one.start_ms.total_cmp(&other.start_ms));
        Waterfall { rows }
    }

    fn row(&self, entry: &Entry, now: Instant) -> Row {
        let latency = entry.end.map_or_else(
            || now.saturating_duration_since(entry.started),
            |end| end.latency,
        );
        let (precision, spans) = self.spans(entry, latency);
        Row {
            buyer: entry.buyer,
            round: entry.round,
            start_ms: ms(entry.start),
            latency_ms: ms(latency),
            outcome: entry.end.map_or(AttemptOutcome::Open, |end| end.outcome),
            retries: entry.end.map_or(0, |end| end.retries),
            precision,
            spans,
        }
    }

    fn spans(&self, entry: &Entry, latency: Duration) -> (Precision, Vec<Span>) {
        if !self.in_process {
            return (Precision::Whole, Vec::new());
        }
        let moments = entry.trace.timed_parts();
        match entry.end {
            // The transaction ran in a task that served many orders at once, or there were two
            // transactions: only the sums are known.
            Some(end)
                if end.is_double_click || (moments.is_empty() && reached_database(end.split)) =>
            {
                (Precision::Sums, sums(end.split, latency))
            }
            _ => {
                let span = |part, from: Duration, to: Duration| Span {
                    part,
                    from_ms: ms(from.min(latency)),
                    to_ms: ms(to.min(latency)),
                };
                let spans = moments.iter();
                let spans = spans.map(|moment| span(moment.part, moment.from, moment.to));
                (Precision::Moments, spans.collect())
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reached_database(split: TimeSplit) -> bool {
    !(split.lock_wait + split.execute + split.commit).is_zero()
}

/// Draws the parts one after the other, in the usual order of a purchase.
fn sums(split: TimeSplit, latency: Duration) -> Vec<Span> {
    let lengths = [
        split.pool_wait + split.queue_wait + split.redis,
        split.lock_wait,
        split.execute + split.pause,
        split.commit,
    ];
    let mut from = Duration::ZERO;
    let parts = Part::ALL.into_iter().zip(lengths);
    let spans = parts.map(|(part, length)| {
        let to = (from + length).min(latency);
        let span = Span {
            part,
            from_ms: ms(from),
            to_ms: ms(to),
        };
        from = to;
        span
    });
    spans.collect()
}

fn outcome(result: &AttemptResult) -> AttemptOutcome {
    match result {
        AttemptResult::Bought(_) => AttemptOutcome::Bought,
        AttemptResult::Rejected(_) => AttemptOutcome::Rejected,
        AttemptResult::Failed(..) | AttemptResult::Contradicted(_) => AttemptOutcome::Failed,
        AttemptResult::Abandoned => AttemptOutcome::Abandoned,
    }
}

/// Milliseconds with three decimals.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        model::{SimulationPlan, sample::RejectionReason},
        simulation::{buyer::AttemptCost, schedule::Schedule},
    };

    const MS: Duration = Duration::from_millis(1);

    fn split() -> TimeSplit {
        TimeSplit {
            pool_wait: MS,
            lock_wait: MS * 2,
            execute: MS * 3,
            commit: MS * 4,
            ..TimeSplit::default()
        }
    }

    async fn follow(recorder: &WaterfallRecorder, buyers: u32) {
        let schedule = Schedule::of(Arc::new(SimulationPlan::preset()));
        let now = Instant::now();
        let start = now.checked_sub(MS * 100).unwrap_or(now);
        for buyer in 0..buyers {
            let attempt = Attempt {
                result: AttemptResult::Rejected(RejectionReason::SoldOut),
                cost: AttemptCost {
                    retries: 1,
                    split: split(),
                    database_queried: true,
                    ..AttemptCost::default()
                },
            };
            let buy = std::future::ready(attempt);
            let planned = schedule.attempt(buyer, 0);
            recorder.trace(&planned, (start, start), buy).await;
        }
    }

    #[tokio::test]
    async fn only_the_first_attempts_are_traced() {
        let recorder = WaterfallRecorder::new(true);
        follow(&recorder, 50).await;
        let rows = recorder.snapshot(Instant::now()).rows;
        let buyers: Vec<_> = rows.iter().map(|row| row.buyer).collect();
        assert_eq!(buyers, (0..40).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_attempt_without_moments_is_drawn_from_its_sums() {
        let recorder = WaterfallRecorder::new(true);
        follow(&recorder, 1).await;
        let row = recorder.snapshot(Instant::now()).rows.remove(0);
        assert_eq!(
            (row.precision, row.outcome, row.retries),
            (Precision::Sums, AttemptOutcome::Rejected, 1)
        );
        let ends: Vec<_> = row
            .spans
            .iter()
            .map(|span| span.to_ms.to_string())
            .collect();
        assert_eq!(ends, ["1", "3", "6", "10"]);
        assert!(row.unattributed_ms() > 80.0, "{row:?}");
    }

    #[tokio::test]
    async fn an_attempt_over_http_has_only_its_total_latency() {
        let recorder = WaterfallRecorder::new(false);
        follow(&recorder, 1).await;
        let row = recorder.snapshot(Instant::now()).rows.remove(0);
        assert_eq!((row.precision, row.spans.len()), (Precision::Whole, 0));
        assert!(row.latency_ms >= 100.0);
    }
}
