//! Exemplars: the trace of a duration, behind the line of its bucket.
//!
//! `prometheus-client` can write them, but only its own histogram can create one. So they are added
//! to its text, in which the lines of the buckets are in the order in which they were written.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use super::count;
use crate::metrics::Exemplar;

/// The exemplars of a text, one place for each line of a bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Exemplars(Arc<Mutex<Vec<Option<Exemplar>>>>);

impl Exemplars {
    /// Adds those of a histogram that is written next.
    pub fn add(&self, exemplars: &[Option<Exemplar>]) {
        self.places().extend_from_slice(exemplars);
    }

    /// Returns the text with the exemplars.
    pub fn behind_buckets(&self, text: &str) -> Result<String, fmt::Error> {
        let places = self.places();
        let mut places = places.iter();
        let mut with = String::with_capacity(text.len());
        for line in text.lines() {
            with.push_str(line);
            if is_bucket(line)
                && let Some(Some(exemplar)) = places.next()
            {
                write_exemplar(&mut with, exemplar)?;
            }
            with.push('\n');
        }
        Ok(with)
    }

    fn places(&self) -> MutexGuard<'_, Vec<Option<Exemplar>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_bucket(line: &str) -> bool {
    let name = line.split_once('{').map(|(name, _)| name);
    name.is_some_and(|name| name.ends_with("_bucket"))
}

fn write_exemplar(text: &mut String, exemplar: &Exemplar) -> fmt::Result {
    let since = exemplar.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    write!(
        text,
        " # {{trace_id=\"{}\"}} {} {:.3}",
        exemplar.trace,
        count(exemplar.duration_us) / 1e6,
        since.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::TraceId;

    use super::*;

    #[test]
    fn an_exemplar_is_behind_its_own_bucket() {
        let exemplar = Exemplar {
            trace: TraceId::from(0xab_u128),
            duration_us: 1_500,
            at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
        };
        let exemplars = Exemplars::default();
        exemplars.add(&[None, Some(exemplar)]);
        exemplars.add(&[Some(exemplar)]);
        let text = "# TYPE a histogram\n\
                    a_sum 2\n\
                    a_bucket{le=\"1.0\"} 1\n\
                    a_bucket{le=\"+Inf\"} 2\n\
                    b{of=\"a_bucket\"} 7\n\
                    c_bucket{le=\"+Inf\"} 3\n\
                    # EOF\n";
        let behind = " # {trace_id=\"000000000000000000000000000000ab\"} 0.0015 1700000000.250";
        let expected = text
            .replace("+Inf\"} 2", &format!("+Inf\"}} 2{behind}"))
            .replace("+Inf\"} 3", &format!("+Inf\"}} 3{behind}"));
        assert_eq!(exemplars.behind_buckets(text), Ok(expected));
    }
}
