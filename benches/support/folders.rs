//! The folders of the benchmarks, which are in cargo's target folder.

use std::path::{Path, PathBuf};

/// Returns a folder in cargo's target folder.
pub fn target_folder(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    target.parent().unwrap_or(target).join(name)
}
