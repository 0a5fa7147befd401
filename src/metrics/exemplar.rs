//! Exemplars: for each bucket of a histogram, the latest duration whose request is being traced.

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use opentelemetry::trace::TraceId;

/// A duration of a bucket, and the trace that shows how it came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    pub trace: TraceId,
    pub duration_us: u64,
    pub at: SystemTime,
}

/// The latest exemplar of one bucket.
#[derive(Debug, Default)]
pub struct LatestExemplar(Mutex<Option<Exemplar>>);

impl LatestExemplar {
    /// Replaces the exemplar. Counting never waits: while another thread reads or replaces it, this
    /// one is left out.
    pub fn replace(&self, exemplar: Exemplar) {
        if let Ok(mut latest) = self.0.try_lock() {
            *latest = Some(exemplar);
        }
    }

    /// Returns the exemplar.
    pub fn get(&self) -> Option<Exemplar> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(trace: u128) -> Exemplar {
        Exemplar {
            trace: TraceId::from(trace),
            duration_us: 700,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_latest_exemplar_is_kept_and_none_waits_for_a_reader() {
        let latest = LatestExemplar::default();
        assert_eq!(latest.get(), None);
        latest.replace(exemplar(1));
        latest.replace(exemplar(2));
        let reading = latest.0.lock().expect("no panic under this lock");
        latest.replace(exemplar(3));
        drop(reading);
        assert_eq!(latest.get(), Some(exemplar(2)));
    }
}
