//! Follows the first attempts of a lane from moment to moment.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    buyer::{Attempt, AttemptResult},
    schedule::Ask,
};
use crate::{
    db::txn::{TimeSplit, trace::Trace},
    model::{
        plan::FaultKind,
        waterfall::{Outcome, Part, Precision, ROWS_MAX, Row, Span, Waterfall},
    },
};

/// The first attempts of a lane to begin. All others pass it by for the price of reading a counter.
#[derive(Debug)]
pub struct WaterfallRecorder {
    /// False where only the whole of an attempt is known.
    in_process: bool,
    begun: AtomicUsize,
    entries: Mutex<Vec<Entry>>,
}

/// An attempt that is followed.
#[derive(Debug)]
struct Entry {
    buyer: u32,
    round: u32,
    /// Since the lane began.
    start: Duration,
    /// From which its time counts.
    started: Instant,
    trace: Trace,
    end: Option<End>,
}

/// What is known once it is over.
#[derive(Clone, Copy, Debug)]
struct End {
    latency: Duration,
    outcome: Outcome,
    retries: u32,
    split: TimeSplit,
    /// Two clicks at once: their moments lie on top of each other.
    twofold: bool,
}

impl WaterfallRecorder {
    /// An empty one, for buyers `in_process` or at another server.
    pub fn new(in_process: bool) -> Self {
        Self {
            in_process,
            begun: AtomicUsize::new(0),
            entries: Mutex::default(),
        }
    }

    /// Waits for `buy`, an attempt at what is asked, which counts from `start` in a lane that began at `begin`; and follows it, if it is
    /// one of the first.
    pub async fn follow(
        &self,
        ask: &Ask,
        (begin, start): (Instant, Instant),
        buy: impl Future<Output = Attempt>,
    ) -> Attempt {
        if self.begun.load(Ordering::Relaxed) >= ROWS_MAX {
            return buy.await;
        }
        let place = self.begun.fetch_add(1, Ordering::Relaxed);
        if place >= ROWS_MAX {
            return buy.await;
        }
        let trace = Trace::since(start);
        self.lock().push(Entry {
            buyer: ask.buyer,
            round: ask.round,
            start: start.saturating_duration_since(begin),
            started: start,
            trace: trace.clone(),
            end: None,
        });
        let attempt = trace.follow(buy).await;
        self.end(ask, start.elapsed(), &attempt);
        attempt
    }

    fn end(&self, ask: &Ask, latency: Duration, attempt: &Attempt) {
        let mut entries = self.lock();
        let mut entries = entries.iter_mut();
        let entry = entries.find(|entry| (entry.buyer, entry.round) == (ask.buyer, ask.round));
        if let Some(entry) = entry {
            entry.end = Some(End {
                latency,
                outcome: outcome(&attempt.result),
                retries: attempt.taken.retries,
                split: attempt.taken.split,
                twofold: ask.fault == Some(FaultKind::DoubleClick),
            });
        }
    }

    /// The rows as they are at `now`, in the order in which they began.
    pub fn picture(&self, now: Instant) -> Waterfall {
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
            outcome: entry.end.map_or(Outcome::Open, |end| end.outcome),
            retries: entry.end.map_or(0, |end| end.retries),
            precision,
            spans,
        }
    }

    fn spans(&self, entry: &Entry, latency: Duration) -> (Precision, Vec<Span>) {
        if !self.in_process {
            return (Precision::Whole, Vec::new());
        }
        let moments = entry.trace.moments();
        match entry.end {
            // Its transaction ran in a task of somebody else, who took many orders at once; or there were two.
            Some(end) if end.twofold || (moments.is_empty() && !end.split.total().is_zero()) => {
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

/// One part after the other, as a purchase usually goes.
fn sums(split: TimeSplit, latency: Duration) -> Vec<Span> {
    let lengths = [
        split.pool_wait,
        split.lock_wait,
        split.execute,
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

fn outcome(result: &AttemptResult) -> Outcome {
    match result {
        AttemptResult::Bought(_) => Outcome::Bought,
        AttemptResult::Rejected(_) => Outcome::Refused,
        AttemptResult::Failed(..) | AttemptResult::Contradicted(_) => Outcome::Failed,
        AttemptResult::Left => Outcome::Left,
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
        model::{SimulationPlan, sample::Refusal},
        simulation::{buyer::Taken, schedule::Schedule},
    };

    const MS: Duration = Duration::from_millis(1);

    fn split() -> TimeSplit {
        TimeSplit {
            pool_wait: MS,
            lock_wait: MS * 2,
            execute: MS * 3,
            commit: MS * 4,
        }
    }

    async fn follow(recorder: &WaterfallRecorder, buyers: u32) {
        let schedule = Schedule::of(Arc::new(SimulationPlan::preset()));
        let now = Instant::now();
        let start = now.checked_sub(MS * 100).unwrap_or(now);
        for buyer in 0..buyers {
            let attempt = Attempt {
                result: AttemptResult::Rejected(Refusal::SoldOut),
                taken: Taken {
                    retries: 1,
                    split: split(),
                    asked: true,
                    ..Taken::default()
                },
            };
            let buy = std::future::ready(attempt);
            let ask = schedule.ask(buyer, 0);
            recorder.follow(&ask, (start, start), buy).await;
        }
    }

    #[tokio::test]
    async fn only_the_first_are_followed() {
        let recorder = WaterfallRecorder::new(true);
        follow(&recorder, 50).await;
        let rows = recorder.picture(Instant::now()).rows;
        let buyers: Vec<_> = rows.iter().map(|row| row.buyer).collect();
        assert_eq!(buyers, (0..40).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_nobody_saw_is_drawn_from_its_sums() {
        let recorder = WaterfallRecorder::new(true);
        follow(&recorder, 1).await;
        let row = recorder.picture(Instant::now()).rows.remove(0);
        assert_eq!(
            (row.precision, row.outcome, row.retries),
            (Precision::Sums, Outcome::Refused, 1)
        );
        let ends: Vec<_> = row
            .spans
            .iter()
            .map(|span| span.to_ms.to_string())
            .collect();
        assert_eq!(ends, ["1", "3", "6", "10"]);
        assert!(row.elsewhere_ms() > 80.0, "{row:?}");
    }

    #[tokio::test]
    async fn of_another_server_only_the_whole_is_known() {
        let recorder = WaterfallRecorder::new(false);
        follow(&recorder, 1).await;
        let row = recorder.picture(Instant::now()).rows.remove(0);
        assert_eq!((row.precision, row.spans.len()), (Precision::Whole, 0));
        assert!(row.latency_ms >= 100.0);
    }
}
