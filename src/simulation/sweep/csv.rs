//! Writes `sweep.csv`: one row for each run, in the order in which they ran.

use csv::Terminator;

use super::{Sweep, SweepRun};
use crate::simulation::csv_writer;

type Column = (&'static str, fn(&SweepRun) -> String);

const COLUMNS: &[Column] = &[
    ("position", |run| run.position.to_string()),
    ("repeat", |run| run.repeat.to_string()),
    ("strategy", |run| run.verdict.strategy.to_string()),
    ("safe", |run| run.verdict.safe.to_string()),
    ("held", |run| run.held.to_string()),
    ("seed", |run| run.verdict.seed.to_string()),
    ("buyers", |run| run.verdict.buyers.to_string()),
    ("stock", |run| run.verdict.stock.to_string()),
    ("quantity", |run| run.verdict.quantity.to_string()),
    ("rounds", |run| run.verdict.rounds.to_string()),
    ("attempts", |run| run.verdict.attempts.to_string()),
    ("succeeded", |run| run.verdict.succeeded.to_string()),
    ("rejected", |run| run.verdict.rejected.to_string()),
    ("failed", |run| run.verdict.failed.to_string()),
    ("retries", |run| run.verdict.retries.to_string()),
    ("fallbacks", |run| run.verdict.fallbacks.to_string()),
    ("sold", |run| run.verdict.sold.to_string()),
    ("remaining", |run| run.verdict.remaining.to_string()),
    ("oversold", |run| run.verdict.oversold.to_string()),
    ("undersold", |run| run.verdict.undersold.to_string()),
    ("elapsed_ms", |run| run.verdict.elapsed_ms.to_string()),
    ("orders_per_second", |run| {
        run.verdict.orders_per_second.to_string()
    }),
    ("latency_mean_ms", |run| {
        run.verdict.latency_ms.mean.to_string()
    }),
    ("latency_p50_ms", |run| {
        run.verdict.latency_ms.p50.to_string()
    }),
    ("latency_p90_ms", |run| {
        run.verdict.latency_ms.p90.to_string()
    }),
    ("latency_p95_ms", |run| {
        run.verdict.latency_ms.p95.to_string()
    }),
    ("latency_p99_ms", |run| {
        run.verdict.latency_ms.p99.to_string()
    }),
    ("latency_max_ms", |run| {
        run.verdict.latency_ms.max.to_string()
    }),
];

/// Returns the text of the whole file.
pub fn text(sweep: &Sweep) -> String {
    let header = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    let header: Vec<String> = header.collect();
    let rows = sweep.runs.iter().map(|run| {
        let cells = COLUMNS.iter().map(|(_, value)| value(run));
        cells.collect()
    });
    csv_writer::write(Terminator::Any(b'\n'), std::iter::once(header).chain(rows))
}
