//! Writes the three files of a sweep. `sweep.html` is self-contained: its style and charts are
//! inline, it loads nothing, and it has no script.

mod crossovers;
mod document;
mod heat_map;
mod line_chart;
mod number;
mod tables;

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Sweep, csv};

/// Writes `sweep.json`, `sweep.csv` and `sweep.html` into `folder`, and returns their paths. An
/// interrupted sweep has no `sweep.html`: its charts would compare cells of different precision.
///
/// # Errors
/// The I/O error, with the path of the file.
pub fn write(sweep: &Sweep, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let json = serde_json::to_string_pretty(sweep)? + "\n";
    let mut written = Vec::new();
    if !sweep.interrupted {
        written.push(write_file(folder, "sweep.html", &document::html(sweep))?);
    }
    written.push(write_file(folder, "sweep.csv", &csv::text(sweep))?);
    written.push(write_file(folder, "sweep.json", &json)?);
    Ok(written)
}

fn write_file(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(path)
}
