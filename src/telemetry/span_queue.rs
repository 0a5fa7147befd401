//! The bounded queue between the spans that end and the task that exports them in batches. A
//! request never waits for it: if the collector is unavailable or slow, spans are dropped, and
//! counted.

use std::{sync::Arc, time::Duration};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::metrics::TraceMetrics;

/// The spans that wait at most, about 2 MB. They are those of a few hundred requests.
const SPANS_MAX: usize = 2_048;
/// The spans of a request to the collector at most.
const BATCH_MAX: usize = 512;
/// How long a span waits for others that are sent with it.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// The end of the queue at which the spans arrive.
#[derive(Debug)]
pub struct SpanQueue {
    spans: mpsc::Sender<SpanData>,
    metrics: Arc<TraceMetrics>,
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.metrics.dropped.increment();
        }
    }

    // What still waits is exported by [`Export::finish_within`].
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The task that exports the spans, until it is dropped.
#[derive(Debug)]
pub struct Export {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Export {
    /// Starts the task on the current runtime.
    pub fn start(
        exporter: impl SpanExporter + 'static,
        metrics: Arc<TraceMetrics>,
    ) -> (SpanQueue, Self) {
        let (sender, spans) = mpsc::channel(SPANS_MAX);
        let stop = CancellationToken::new();
        let collector = Collector {
            exporter,
            metrics: Arc::clone(&metrics),
            is_unavailable: false,
        };
        let exporting = export_all(spans, collector, stop.clone());
        let export = Self {
            stop,
            task: AbortOnDropHandle::new(tokio::spawn(exporting)),
        };
        let queue = SpanQueue {
            spans: sender,
            metrics,
        };
        (queue, export)
    }

    /// Exports the spans that wait, as far as the time suffices. Later spans are dropped.
    pub async fn finish_within(self, limit: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(limit, self.task).await.is_err() {
            tracing::warn!("the collector did not receive the last traces in time");
        }
    }
}

async fn export_all<E: SpanExporter>(
    mut spans: mpsc::Receiver<SpanData>,
    mut collector: Collector<E>,
    stop: CancellationToken,
) {
    loop {
        let batch = next_batch(&mut spans, &stop).await;
        if batch.is_empty() {
            return;
        }
        collector.send(batch).await;
    }
}

/// Waits for spans, and a little for others that are sent with them. Returns none if all are sent
/// after the stop.
async fn next_batch(
    spans: &mut mpsc::Receiver<SpanData>,
    stop: &CancellationToken,
) -> Vec<SpanData> {
    let mut batch = Vec::new();
    let first = spans.recv_many(&mut batch, BATCH_MAX);
    if stop.run_until_cancelled(first).await.is_none() {
        spans.close();
        spans.recv_many(&mut batch, BATCH_MAX).await;
        return batch;
    }
    let others = async {
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            if spans.recv_many(&mut batch, room).await == 0 {
                return;
            }
        }
    };
    let others = tokio::time::timeout(BATCH_DELAY, others);
    stop.run_until_cancelled(others).await;
    batch
}

/// The collector, as far as its answers show its state.
struct Collector<E> {
    exporter: E,
    metrics: Arc<TraceMetrics>,
    is_unavailable: bool,
}

impl<E: SpanExporter> Collector<E> {
    /// Sends a batch. The log has a line when the collector goes away and one when it is back.
    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let sent = self.exporter.export(batch).await;
        match sent {
            Ok(()) => {
                self.metrics.exported.add(count);
                if self.is_unavailable {
                    tracing::info!("the collector receives traces again");
                }
                self.is_unavailable = false;
            }
            Err(error) => {
                self.metrics.failed.add(count);
                if !self.is_unavailable {
                    tracing::warn!(%error, "the collector does not receive traces");
                }
                self.is_unavailable = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, PoisonError},
        time::{Instant, UNIX_EPOCH},
    };

    use opentelemetry::{
        InstrumentationScope,
        trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
    };
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;

    /// The sizes of the batches that a collector receives. Each takes so long, and each is refused
    /// if `is_unavailable`.
    #[derive(Clone, Debug, Default)]
    struct TestCollector {
        batches: Arc<Mutex<Vec<usize>>>,
        takes: Duration,
        is_unavailable: bool,
    }

    impl TestCollector {
        fn batches(&self) -> Vec<usize> {
            let batches = self.batches.lock();
            batches.unwrap_or_else(PoisonError::into_inner).clone()
        }
    }

    impl SpanExporter for TestCollector {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            tokio::time::sleep(self.takes).await;
            if self.is_unavailable {
                return Err(OTelSdkError::InternalFailure("away".to_owned()));
            }
            let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
            batches.push(batch.len());
            Ok(())
        }
    }

    fn span(flags: TraceFlags) -> SpanData {
        let state = TraceState::default();
        let (trace, span) = (TraceId::from(1_u128), SpanId::from(1_u64));
        SpanData {
            span_context: SpanContext::new(trace, span, flags, false, state),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "a span".into(),
            start_time: UNIX_EPOCH,
            end_time: UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    fn end_spans(queue: &SpanQueue, count: usize) {
        for _ in 0..count {
            queue.on_end(span(TraceFlags::SAMPLED));
        }
    }

    /// Much longer than the spans wait for others.
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn sampled_spans_are_exported_in_batches_also_at_the_end() {
        let (collector, metrics) = (TestCollector::default(), Arc::default());
        let (queue, export) = Export::start(collector.clone(), Arc::clone(&metrics));
        end_spans(&queue, BATCH_MAX + 3);
        queue.on_end(span(TraceFlags::default()));
        export.finish_within(LONG).await;
        assert_eq!(collector.batches(), [BATCH_MAX, 3]);
        let count = u64::try_from(BATCH_MAX + 3).expect("a small number");
        let ends = [("exported", count), ("failed", 0), ("dropped", 0)];
        assert_eq!(metrics.ends(), ends);
        end_spans(&queue, 2);
        assert_eq!(metrics.dropped.get(), 2, "after the stop");
    }

    #[tokio::test]
    async fn spans_are_exported_a_moment_after_they_ended() {
        let (collector, metrics) = (TestCollector::default(), Arc::default());
        let (queue, _export) = Export::start(collector.clone(), metrics);
        end_spans(&queue, 2);
        let begin = Instant::now();
        while collector.batches() != [2] {
            assert!(begin.elapsed() < LONG, "{collector:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_collector_that_never_answers_delays_nothing() {
        let collector = TestCollector {
            takes: LONG,
            ..TestCollector::default()
        };
        let metrics = Arc::default();
        let (queue, export) = Export::start(collector, Arc::clone(&metrics));
        let begin = Instant::now();
        end_spans(&queue, SPANS_MAX + 5);
        assert_eq!(metrics.dropped.get(), 5);
        export.finish_within(Duration::from_millis(10)).await;
        assert!(begin.elapsed() < LONG / 2, "{:?}", begin.elapsed());
        assert_eq!(metrics.exported.get(), 0);
    }

    #[tokio::test]
    async fn spans_that_a_collector_refuses_are_counted() {
        let collector = TestCollector {
            is_unavailable: true,
            ..TestCollector::default()
        };
        let metrics = Arc::default();
        let (queue, export) = Export::start(collector, Arc::clone(&metrics));
        end_spans(&queue, 7);
        export.finish_within(LONG).await;
        assert_eq!(
            metrics.ends(),
            [("exported", 0), ("failed", 7), ("dropped", 0)]
        );
    }
}
