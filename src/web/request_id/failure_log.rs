//! Which refusals the log describes. A full server refuses thousands of requests each second: a
//! line for each would cost more than the refusals, and fill the disk.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The most refusals that are logged each second.
const LINES_PER_SECOND: u32 = 10;

/// Counts what is logged in a second, and what is left out.
#[derive(Debug, Default)]
pub struct FailureLog(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    second: Option<Instant>,
    logged: u32,
    left_out: u64,
}

impl FailureLog {
    /// Returns the number of lines that were left out since the latest one; `None` if this one is
    /// left out, too.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = lines
            .second
            .is_none_or(|began| now.saturating_duration_since(began) >= Duration::from_secs(1));
        if is_over {
            lines.second = Some(now);
            lines.logged = 0;
        }
        if lines.logged == LINES_PER_SECOND {
            lines.left_out += 1;
            return None;
        }
        lines.logged += 1;
        Some(mem::take(&mut lines.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_ten_lines_and_the_number_of_the_others() {
        let (log, began) = (FailureLog::default(), Instant::now());
        let admitted = |after_ms: u64| log.admit(began + Duration::from_millis(after_ms));
        for line in 0..10 {
            assert_eq!(admitted(line * 10), Some(0), "{line}");
        }
        assert_eq!([admitted(100), admitted(999)], [None, None]);
        assert_eq!(admitted(1_000), Some(2));
        assert_eq!(admitted(1_001), Some(0));
    }
}
