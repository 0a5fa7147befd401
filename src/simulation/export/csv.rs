//! The samples and the verdict figures of a run as CSV. The columns of each file are always the
//! same, also those whose cells are all zero or empty. `docs/EXPORTS.md` describes them.

use csv::Terminator;

use super::{fields, points::Point};
use crate::{
    model::{RunSnapshot, Sample, Verdict, plan::Thresholds},
    simulation::csv_writer,
};

/// The first columns of both files.
const IDENTIFYING: [&str; 4] = ["run", "started_at", "lane", "strategy"];

/// The columns of the verdict: its fields by name, except the strategy and the thresholds.
const FIGURES: &[&str] = &[
    "name",
    "product",
    "passed",
    "safe",
    "seed",
    "buyers",
    "stock",
    "quantity",
    "quantity_min",
    "rounds",
    "attempts",
    "succeeded",
    "rejected",
    "failed",
    "cut_off",
    "contradicted",
    "retries",
    "fallbacks",
    "sold",
    "promised",
    "sold_to_others",
    "held",
    "remaining",
    "oversold",
    "undersold",
    "elapsed_ms",
    "orders_per_second",
    "latency_ms_mean",
    "latency_ms_p50",
    "latency_ms_p90",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_max",
    "time_split_ms_pool_wait",
    "time_split_ms_queue_wait",
    "time_split_ms_redis",
    "time_split_ms_lock_wait",
    "time_split_ms_execute",
    "time_split_ms_pause",
    "time_split_ms_commit",
    "time_split_ms_payment",
    "time_split_ms_backoff",
    "time_split_ms_other",
    "time_split_p99_ms_pool_wait",
    "time_split_p99_ms_queue_wait",
    "time_split_p99_ms_redis",
    "time_split_p99_ms_lock_wait",
    "time_split_p99_ms_execute",
    "time_split_p99_ms_pause",
    "time_split_p99_ms_commit",
    "time_split_p99_ms_payment",
    "time_split_p99_ms_backoff",
    "time_split_p99_ms_other",
    "cluster_nodes",
    "cluster_node_names",
    "cluster_certification_failures",
    "cluster_rolled_back",
];

/// The ends of the columns of each threshold.
const THRESHOLD: [&str; 3] = ["limit", "measured", "held"];

/// Named cells.
type Cells = Vec<(String, String)>;

/// Writes one row for each sample of each lane.
pub fn samples(run: &RunSnapshot) -> String {
    let lanes = run.lanes.iter().enumerate();
    let rows = lanes.flat_map(|(index, lane)| {
        lane.samples.iter().map(move |sample| {
            let mut row = identifying_cells(run, index, lane.strategy.as_str());
            row.extend(fields(&Point::from(sample)));
            row
        })
    });
    table(&sample_columns(), rows)
}

/// Writes one row for each lane that has a verdict.
pub fn figures(run: &RunSnapshot) -> String {
    let lanes = run.lanes.iter().enumerate();
    let rows = lanes.filter_map(|(index, lane)| {
        let verdict = lane.verdict.as_ref()?;
        let mut row = identifying_cells(run, index, lane.strategy.as_str());
        row.push(("name".to_owned(), run.name.clone()));
        row.push(("product".to_owned(), lane.product_name.clone()));
        row.extend(verdict_cells(verdict));
        Some(row)
    });
    table(&figure_columns(), rows)
}

fn identifying_cells(run: &RunSnapshot, index: usize, strategy: &str) -> Cells {
    let cells = [
        run.id.clone(),
        run.started_at.clone(),
        (index + 1).to_string(),
        strategy.to_owned(),
    ];
    let names = IDENTIFYING.map(ToOwned::to_owned);
    names.into_iter().zip(cells).collect()
}

/// The columns of the file of samples.
fn sample_columns() -> Vec<String> {
    let figures = fields(&Point::from(&Sample::default())).into_iter();
    let identifying = IDENTIFYING.map(ToOwned::to_owned).into_iter();
    identifying.chain(figures.map(|(name, _)| name)).collect()
}

/// The columns of the file of figures.
fn figure_columns() -> Vec<String> {
    let thresholds = Thresholds::NAMES.into_iter();
    let thresholds = thresholds.flat_map(|name| THRESHOLD.map(|end| threshold_column(name, end)));
    let columns = IDENTIFYING.iter().chain(FIGURES);
    let columns = columns.map(|name| (*name).to_owned());
    columns.chain(thresholds).collect()
}

fn threshold_column(name: &str, end: &str) -> String {
    format!("threshold_{}_{end}", name.replace('-', "_"))
}

fn verdict_cells(verdict: &Verdict) -> Cells {
    let mut cells = fields(verdict);
    cells.push(("passed".to_owned(), verdict.passed().to_string()));
    for threshold in &verdict.thresholds {
        let values = [
            threshold.limit.to_string(),
            threshold.measured.to_string(),
            threshold.held.to_string(),
        ];
        let columns = THRESHOLD.map(|end| threshold_column(&threshold.name, end));
        cells.extend(columns.into_iter().zip(values));
    }
    cells
}

/// Writes the rows as a table with these columns. A missing cell is empty.
fn table(columns: &[String], rows: impl Iterator<Item = Cells>) -> String {
    let header = std::iter::once(columns.to_vec());
    let cells = rows.map(|row| {
        let cells = columns.iter().map(|column| {
            let cell = row.iter().find(|(name, _)| name == column);
            cell.map_or_else(String::new, |(_, value)| value.clone())
        });
        cells.collect()
    });
    csv_writer::write(Terminator::CRLF, header.chain(cells))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClusterFigures, SimulationPlan};

    const DOCUMENT: &str = include_str!("../../../docs/EXPORTS.md");

    #[test]
    fn a_missing_cell_is_empty_and_a_file_without_rows_has_its_columns() {
        let columns = ["a", "b"].map(ToOwned::to_owned);
        let cell = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let rows = vec![vec![cell("b", "1"), cell("c", "2")], vec![cell("a", "3")]];
        assert_eq!(table(&columns, rows.into_iter()), "a,b\r\n,1\r\n3,\r\n");
        let run = serde_json::json!({
            "id": "", "state": "finished", "plan": SimulationPlan::preset(), "startedAt": "",
            "lanes": [], "passed": true, "failure": null,
        });
        let run: RunSnapshot = serde_json::from_value(run).expect("a run");
        assert_eq!(samples(&run), sample_columns().join(",") + "\r\n");
        assert_eq!(figures(&run), figure_columns().join(",") + "\r\n");
    }

    #[test]
    fn every_figure_of_a_verdict_has_a_column() {
        let verdict = Verdict {
            quantity_min: Some(1),
            cluster: Some(ClusterFigures::default()),
            thresholds: Thresholds::parse("p99-ms=1,failed=2,retries=3,orders-per-second=4")
                .map(|thresholds| thresholds.judge(&Verdict::example()))
                .unwrap_or_default(),
            ..Verdict::example()
        };
        let (cells, columns) = (verdict_cells(&verdict), figure_columns());
        for (name, _) in &cells {
            let is_elsewhere = name.starts_with("thresholds_");
            assert!(is_elsewhere || columns.contains(name), "{name}");
        }
        for column in columns.iter().skip(IDENTIFYING.len() + 2) {
            assert!(cells.iter().any(|(name, _)| name == column), "{column}");
        }
    }

    #[test]
    fn every_column_is_documented() {
        for column in sample_columns().into_iter().chain(figure_columns()) {
            // A group of columns with one beginning is documented by its ends.
            let is_documented = DOCUMENT.contains(&format!("`{column}`"))
                || groups().any(|(begin, ends)| {
                    let end = column.strip_prefix(begin);
                    end.is_some_and(|end| ends.contains(&format!("`{end}`")))
                });
            assert!(is_documented, "{column} is not in docs/EXPORTS.md");
        }
    }

    /// The rows of the document's tables that describe a group, such as ``| `lately_…` | `p50_us`,
    /// `p95_us` … |``: the beginning, and the cell with the ends.
    fn groups() -> impl Iterator<Item = (&'static str, &'static str)> {
        DOCUMENT.lines().filter_map(|line| {
            let (begin, ends) = line.strip_prefix("| `")?.split_once("…` |")?;
            Some((begin, ends))
        })
    }
}
