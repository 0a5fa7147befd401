//! The samples and the verdict figures of a run as CSV (RFC 4180).

use super::fields;
use crate::model::RunSnapshot;

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
/// occurrence; a missing cell is empty.
fn table(rows: Vec<Row>) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let mut text = line(columns.iter().copied());
    for row in &rows {
        text += &line(columns.iter().map(|column| {
            let cell = row.iter().find(|(name, _)| name == column);
            cell.map_or("", |(_, value)| value.as_str())
        }));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(quoted).collect();
    cells.join(",") + "\r\n"
}

fn quoted(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    // A spreadsheet would treat a text that begins like this as a formula and run it.
    let cell = if !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        for (cell, expected) in [
            ("row-lock", "row-lock"),
            ("-3.5", "-3.5"),
            ("a, b", "\"a, b\""),
            ("12\" screen", "\"12\"\" screen\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }

    #[test]
    fn a_missing_cell_is_empty() {
        let cell = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let rows = vec![vec![cell("a", "1")], vec![cell("a", "2"), cell("b", "3")]];
        assert_eq!(table(rows), "a,b\r\n1,\r\n2,3\r\n");
        assert_eq!(table(Vec::new()), "\r\n");
    }
}
