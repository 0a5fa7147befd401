//! The samples and the verdict figures of a run as CSV.

use csv::Terminator;

use super::fields;
use crate::{model::RunSnapshot, simulation::csv_writer};

/// A row: column names with their cells.
type Row = Vec<(String, String)>;

/// Writes one row for each sample of each lane.
pub fn samples(run: &RunSnapshot) -> String {
    let lanes = run.lanes.iter().enumerate();
    let rows = lanes.flat_map(|(index, lane)| {
        lane.samples.iter().map(move |sample| {
            let mut row = identifying_cells(run, index, lane.strategy.as_str());
            row.extend(fields(sample));
            row
        })
    });
    table(rows.collect())
}

/// Writes one row for each lane that has a verdict.
pub fn figures(run: &RunSnapshot) -> String {
    let lanes = run.lanes.iter().enumerate();
    let rows = lanes.filter_map(|(index, lane)| {
        let verdict = lane.verdict.as_ref()?;
        let mut row = identifying_cells(run, index, lane.strategy.as_str());
        row.push(("name".to_owned(), run.name.clone()));
        row.push(("product".to_owned(), lane.product_name.clone()));
        row.push(("passed".to_owned(), verdict.passed().to_string()));
        // The strategy is already a column.
        row.extend(
            fields(verdict)
                .into_iter()
                .filter(|(name, _)| name != "strategy"),
        );
        Some(row)
    });
    table(rows.collect())
}

fn identifying_cells(run: &RunSnapshot, index: usize, strategy: &str) -> Row {
    vec![
        ("run".to_owned(), run.id.clone()),
        ("lane".to_owned(), (index + 1).to_string()),
        ("strategy".to_owned(), strategy.to_owned()),
    ]
}

/// Writes the rows as a table. Its columns are those of all rows, in order of their first
/// occurrence; a missing cell is empty. Without rows there are no columns, and the text is empty.
fn table(rows: Vec<Row>) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    if columns.is_empty() {
        return String::new();
    }
    let cells = rows.iter().map(|row| {
        let cells = columns.iter().map(|column| {
            let cell = row.iter().find(|(name, _)| name == column);
            cell.map_or("", |(_, value)| value.as_str())
        });
        cells.collect()
    });
    let header = std::iter::once(columns.clone());
    csv_writer::write(Terminator::CRLF, header.chain(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_cell_is_empty() {
        let cell = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let rows = vec![vec![cell("a", "1")], vec![cell("a", "2"), cell("b", "3")]];
        assert_eq!(table(rows), "a,b\r\n1,\r\n2,3\r\n");
        assert_eq!(table(Vec::new()), "");
    }
}
