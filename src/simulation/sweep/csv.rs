//! Writes `sweep.csv`: one row for each run, in the order in which they ran. No value contains a
//! comma or a quote.

use super::{Sweep, SweepRun};

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
    let header: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut text = header.join(",") + "\n";
    for run in &sweep.runs {
        let row: Vec<String> = COLUMNS.iter().map(|(_, value)| value(run)).collect();
        text += &row.join(",");
        text.push('\n');
    }
    text
}
