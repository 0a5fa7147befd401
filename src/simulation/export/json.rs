//! A run as one JSON object. The envelope says how to read it; whoever reads another version knows that it may differ.

use serde::Serialize;

use crate::model::RunSnapshot;

/// What it is.
pub const FORMAT: &str = "doorbuster-run";
/// Goes up when a field changes its meaning or leaves; not when one is added.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    format: &'static str,
    version: u32,
    /// The program that wrote it.
    doorbuster: &'static str,
    /// By the database's clock.
    exported_at: &'a str,
    run: &'a RunSnapshot,
}

/// The whole file: the plan, every point, and the verdicts.
///
/// # Errors
/// None that a run could cause.
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
