//! The patterns that fill the parts of an attempt.

use crate::model::waterfall::Part;

/// Returns the id and the texture of the pattern that fills a part.
pub const fn pattern(part: Part) -> (&'static str, &'static str) {
    match part {
        Part::PoolWait => ("fall-pool", "M1.5 0V6M4.5 0V6"),
        Part::LockWait => ("fall-lock", "M-1.5 1.5L1.5-1.5M0 6L6 0M4.5 7.5L7.5 4.5"),
        Part::Execute => ("fall-execute", ""),
        Part::Commit => ("fall-commit", "M0 1.5H6M0 4.5H6"),
    }
}

/// Returns the `fill` of a shape that shows a part.
pub fn fill_url(part: Part) -> String {
    format!("url(#{})", pattern(part).0)
}
