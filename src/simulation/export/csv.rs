//! The points of a run's charts, and the figures of its verdicts, as RFC 4180 has them.

use super::fields;
use crate::model::RunSnapshot;

/// One cell a column, by name.
type Row = Vec<(String, String)>;

/// A row for each point of each lane.
pub fn samples(run: &RunSnapshot) -> String {
    let lanes = run.lanes.iter().enumerate();
    let rows = lanes.flat_map(|(index, lane)| {
        lane.samples.iter().map(move |sample| {
            let mut row = named(run, index, lane.strategy.as_str());
            row.extend(fields(sample));
            row
        })
    });
    table(rows.collect())
}

/// A row for each lane that was judged.
pub fn figures(run: &RunSnapshot) -> String {
    let lanes = run.lanes.iter().enumerate();
    let rows = lanes.filter_map(|(index, lane)| {
        let verdict = lane.verdict.as_ref()?;
        let mut row = named(run, index, lane.strategy.as_str());
        row.push(("product".to_owned(), lane.product_name.clone()));
        row.push(("passed".to_owned(), verdict.passed().to_string()));
        // The strategy stands there already.
        row.extend(
            fields(verdict)
                .into_iter()
                .filter(|(name, _)| name != "strategy"),
        );
        Some(row)
    });
    table(rows.collect())
}

fn named(run: &RunSnapshot, index: usize, strategy: &str) -> Row {
    vec![
        ("run".to_owned(), run.id.clone()),
        ("lane".to_owned(), (index + 1).to_string()),
        ("strategy".to_owned(), strategy.to_owned()),
    ]
}

/// All columns that any row has, in the order in which they first come; a row without one has an empty cell there.
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
    // A spreadsheet takes a text that begins so for a formula, and would run it.
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
    fn a_cell_is_one_cell_and_no_formula() {
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
    fn a_row_without_a_column_leaves_it_empty() {
        let cell = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let rows = vec![vec![cell("a", "1")], vec![cell("a", "2"), cell("b", "3")]];
        assert_eq!(table(rows), "a,b\r\n1,\r\n2,3\r\n");
        assert_eq!(table(Vec::new()), "\r\n");
    }
}
