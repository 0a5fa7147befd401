//! A run as one JSON object. Its envelope states the format and version, so that a reader can
//! reject a version it does not know.

use serde::Serialize;

use crate::model::RunSnapshot;

/// The name of the format.
pub const FORMAT: &str = "doorbuster-run";
/// The version of the format. It is incremented when a field is removed or changes its meaning, not
/// when one is added.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    format: &'static str,
    version: u32,
    /// Version of the program that wrote the file.
    doorbuster: &'static str,
    /// By the database's clock.
    exported_at: &'a str,
    run: &'a RunSnapshot,
}

/// Writes the whole file: the plan, all samples, and the verdicts.
pub fn json(run: &RunSnapshot, exported_at: &str) -> serde_json::Result<String> {
    let export = Export {
        format: FORMAT,
        version: VERSION,
        doorbuster: env!("CARGO_PKG_VERSION"),
        exported_at,
        run,
    };
    Ok(serde_json::to_string_pretty(&export)? + "\n")
}
