//! The three files of a sweep. `sweep.html` stands alone: its style and pictures are inside, it asks nobody for anything, and it has no script.

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

/// Writes `sweep.json`, `sweep.csv` and `sweep.html` into `folder`, and returns where.
///
/// # Errors
/// The file that could not be written, and why.
pub fn write(sweep: &Sweep, folder: &Path) -> io::Result<[PathBuf; 3]> {
    let json = serde_json::to_string_pretty(sweep)? + "\n";
    Ok([
        put(folder, "sweep.html", &document::html(sweep))?,
        put(folder, "sweep.csv", &csv::text(sweep))?,
        put(folder, "sweep.json", &json)?,
    ])
}

fn put(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(path)
}
