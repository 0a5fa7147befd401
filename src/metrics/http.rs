//! Requests over HTTP, by a few classes of addresses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::trace::TraceId;

use super::{Counter, Histogram, RefusalMetrics};

/// The classes of addresses: what they begin with, and the label.
const CLASSES: [(&str, &str); 7] = [
    ("/api/form/", "form"),
    ("/api/", "api"),
    ("/live/", "stream"),
    ("/assets/", "asset"),
    ("/admin", "admin"),
    ("/healthz", "probe"),
    ("/readyz", "probe"),
];
/// The label of all other addresses.
const PAGE: &str = "page";
/// Every label once.
pub const LABELS: [&str; 7] = ["form", "api", "stream", "asset", "admin", "probe", PAGE];
/// The first digits of the statuses that are counted.
pub const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The requests of one server process.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    classes: [ClassMetrics; LABELS.len()],
    streams: Arc<AtomicU64>,
    refusals: Arc<RefusalMetrics>,
}

/// The requests of one class.
#[derive(Debug, Default)]
pub struct ClassMetrics {
    statuses: [Counter; STATUSES.len()],
    /// From the request's head to the response's head.
    pub duration: Histogram,
}

impl ClassMetrics {
    /// Returns the statuses, with the numbers of responses.
    pub fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = STATUSES.iter().zip(&self.statuses);
        counted.map(|(status, count)| (*status, count.get()))
    }
}

/// Returns the class of an address.
pub fn class_of(path: &str) -> &'static str {
    let class = CLASSES.iter().find(|(prefix, _)| path.starts_with(prefix));
    class.map_or(PAGE, |(_, label)| *label)
}

impl HttpMetrics {
    /// Counts a response to a request of this class. `trace` is that of the request, if it is being
    /// recorded.
    pub fn responded(&self, class: &str, status: u16, took: Duration, trace: Option<TraceId>) {
        let class = &self.classes[super::position_of(&LABELS, class)];
        let digit = usize::from(status / 100).clamp(2, 5);
        class.statuses[digit - 2].increment();
        class.duration.observe(took, trace);
    }

    /// Returns each class with its label.
    pub fn classes(&self) -> impl Iterator<Item = (&'static str, &ClassMetrics)> {
        LABELS.into_iter().zip(&self.classes)
    }

    /// What was refused before a request could be counted.
    pub fn refusals(&self) -> &Arc<RefusalMetrics> {
        &self.refusals
    }

    /// Counts an event stream for as long as the result lives.
    pub fn open_stream(&self) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(&self.streams))
    }

    /// Returns how many event streams are open.
    pub fn streams_open(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }
}

/// An event stream that is open.
#[derive(Debug)]
pub struct OpenStream(Arc<AtomicU64>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_a_class() {
        for (path, class) in [
            ("/", "page"),
            ("/products/../../etc", "page"),
            ("/api/form/cart/add", "form"),
            ("/api/purchase", "api"),
            ("/live/stock", "stream"),
            ("/readyz", "probe"),
            ("/admin/health", "admin"),
            ("", "page"),
        ] {
            assert_eq!(class_of(path), class, "{path}");
        }
        for (_, label) in CLASSES {
            assert!(LABELS.contains(&label), "{label}");
        }
    }

    #[test]
    fn statuses_are_counted_by_their_first_digit() {
        let metrics = HttpMetrics::default();
        for status in [200, 204, 303, 404, 503, 101, 999] {
            metrics.responded("api", status, Duration::from_millis(1), None);
        }
        let (label, api) = metrics.classes().nth(1).expect("a class");
        let counts: Vec<_> = api.statuses().map(|(_, count)| count).collect();
        assert_eq!((label, counts), ("api", vec![3, 1, 1, 2]));
        assert_eq!(api.duration.snapshot().count(), 7);
    }

    #[test]
    fn a_stream_is_open_until_it_is_dropped() {
        let metrics = HttpMetrics::default();
        let (one, two) = (metrics.open_stream(), metrics.open_stream());
        assert_eq!(metrics.streams_open(), 2);
        drop(one);
        assert_eq!(metrics.streams_open(), 1);
        drop(two);
        assert_eq!(metrics.streams_open(), 0);
    }
}
