//! Where the results go: to standard output, to a file with every figure, and into the
//! documentation.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    Failure, folders::target_folder, options::Options, rounds::Session, statistics::Spread,
};

/// Prints `text`, stores `figures` in `target/bench`, and writes the text between the markers of
/// the file that the options name: `<!-- marker: begin -->` and `<!-- marker: end -->`.
pub fn publish(
    options: &Options,
    marker: &str,
    file_name: &str,
    text: &str,
    figures: &Value,
) -> Result<(), Failure> {
    println!("{text}");
    let folder = target_folder("bench");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(file_name);
    std::fs::write(&file, serde_json::to_string_pretty(figures)? + "\n")?;
    eprintln!("bench: all figures are stored in {}", file.display());
    match &options.write {
        Some(file) => replace_between_markers(file, marker, text),
        None => Ok(()),
    }
}

fn replace_between_markers(file: &Path, marker: &str, text: &str) -> Result<(), Failure> {
    let (begin, end) = (
        format!("<!-- {marker}: begin -->"),
        format!("<!-- {marker}: end -->"),
    );
    let whole = std::fs::read_to_string(file)?;
    let markers = whole.find(&begin).zip(whole.find(&end));
    let (at, end_at) = markers
        .filter(|(at, end_at)| at < end_at)
        .ok_or_else(|| format!("{} has no markers {begin} and {end}", file.display()))?;
    let before = &whole[..at + begin.len()];
    std::fs::write(file, format!("{before}\n\n{text}\n{}", &whole[end_at..]))?;
    Ok(())
}

/// Returns the results of every round as JSON, with the reasons why cells do not count.
pub fn rounds<C: ToString, M>(session: &Session<C, M>, to_json: impl Fn(&M) -> Value) -> Value {
    let rounds = session.rounds.iter().map(|round| {
        let cells = round.iter().map(|(cell, result)| {
            let figure = match result {
                Ok(measured) => to_json(measured),
                Err(why) => json!({ "does_not_count": why }),
            };
            (cell.to_string(), figure)
        });
        cells.collect::<Value>()
    });
    rounds.collect()
}

/// Returns a section with the cells that do not count, or nothing if all do.
pub fn failures_section(failures: &[String]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    format!(
        "\n### Cells that do not count\n\n- {}\n",
        failures.join("\n- ")
    )
}

/// Formats a figure with its range: `1.23 (1.10 – 1.31)`.
pub fn format_spread(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| format!("{} ({})", spread.median_text(), spread.range_text()),
    )
}

/// Formats a figure and its range as two cells of a table.
pub fn spread_cells(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "– | –".to_owned(),
        |spread| format!("{} | {}", spread.median_text(), spread.range_text()),
    )
}
