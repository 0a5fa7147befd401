//! Spans of traces, by their end.

use super::Counter;

/// The spans of one server process.
#[derive(Debug, Default)]
pub struct TraceMetrics {
    /// The collector has received them.
    pub exported: Counter,
    /// They were sent, and the collector has not confirmed them.
    pub failed: Counter,
    /// The queue was full.
    pub dropped: Counter,
}

impl TraceMetrics {
    /// Returns each end with its number.
    pub fn ends(&self) -> [(&'static str, u64); 3] {
        [
            ("exported", self.exported.get()),
            ("failed", self.failed.get()),
            ("dropped", self.dropped.get()),
        ]
    }
}
