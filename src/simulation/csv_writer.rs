//! Writes records as CSV (RFC 4180) that is safe to open in a spreadsheet.

use csv::{Terminator, WriterBuilder};

/// Writes each record as a line that ends with `line_end`.
pub fn write<Record>(line_end: Terminator, records: impl IntoIterator<Item = Record>) -> String
where
    Record: IntoIterator<Item: AsRef<str>>,
{
    let mut writer = WriterBuilder::new()
        .terminator(line_end)
        .flexible(true)
        .from_writer(Vec::new());
    for record in records {
        let cells = record.into_iter().map(|cell| harmless(cell.as_ref()));
        // Writing to memory cannot fail, and a flexible writer accepts records of any length.
        let _ = writer.write_record(cells);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    // Text with commas and quotes is still UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// A spreadsheet would treat a text that begins like this as a formula and run it; after an
/// apostrophe it does not. Numbers stay numbers.
fn harmless(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    if !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
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
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1+1", "'+1+1"),
            ("-1+1", "'-1+1"),
            ("\t=1+1", "'\t=1+1"),
            ("\r=1+1", "\"'\r=1+1\""),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(
                write(Terminator::Any(b'\n'), [["1", cell]]),
                format!("1,{expected}\n")
            );
        }
    }

    #[test]
    fn the_caller_chooses_the_line_end() {
        let records = [["a", ""], ["1", "2"]];
        assert_eq!(write(Terminator::CRLF, records), "a,\r\n1,2\r\n");
        assert_eq!(write(Terminator::Any(b'\n'), records), "a,\n1,2\n");
    }
}
