//! How far the server's clock is ahead of the browser's.
//!
//! Each time that the server sends was right when it was sent, so by the moment at which it arrives
//! it is behind by the duration of the transfer, never ahead. The highest difference seen is
//! therefore the best, and a page never opens a sale before the server does. It is late by the
//! shortest transfer, and needs no request to find that out.

/// Each new time lowers the difference by this much first: the two clocks may run at slightly
/// different speeds, and a difference that was right yesterday may be too high today.
const DRIFT_MS: i64 = 2;
/// If the browser's clock moves by more than this against the time since the page was opened, the
/// clock was changed, or the computer slept.
const STEP_MS: i64 = 1_000;

/// See the module's documentation. All times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct ClockOffset {
    ahead_ms: i64,
    /// False if the difference may be wrong: the next time replaces it, whatever it is.
    is_trusted: bool,
    /// The browser's clock, less the time since the page was opened.
    opened_at_ms: Option<i64>,
}

impl ClockOffset {
    /// Starts with the time at which the server rendered the page, which is behind by as long as
    /// the page took to load.
    pub const fn new(rendered_at_ms: i64, browser_ms: i64) -> Self {
        Self {
            ahead_ms: rendered_at_ms.saturating_sub(browser_ms),
            is_trusted: true,
            opened_at_ms: None,
        }
    }

    /// Takes a time that the server sent, and that arrived at `browser_ms`.
    pub fn learn(&mut self, server_ms: i64, browser_ms: i64) {
        let seen_ms = server_ms.saturating_sub(browser_ms);
        self.ahead_ms = if self.is_trusted {
            seen_ms.max(self.ahead_ms - DRIFT_MS)
        } else {
            seen_ms
        };
        self.is_trusted = true;
    }

    /// Compares the browser's clock with `since_open_ms`, a time that nobody can set and that may
    /// stop while the computer sleeps.
    pub fn check_step(&mut self, browser_ms: i64, since_open_ms: i64) {
        let opened_at_ms = browser_ms.saturating_sub(since_open_ms);
        if let Some(before_ms) = self.opened_at_ms
            && opened_at_ms.abs_diff(before_ms) > STEP_MS.unsigned_abs()
        {
            self.is_trusted = false;
        }
        self.opened_at_ms = Some(opened_at_ms);
    }

    /// Returns the server's time.
    pub const fn server_ms(&self, browser_ms: i64) -> i64 {
        browser_ms.saturating_add(self.ahead_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_clock_that_is_an_hour_wrong_is_corrected() {
        for wrong_by_ms in [-HOUR_MS, 0, HOUR_MS] {
            // The page took 800 ms, the first event 120 ms and the second 40 ms.
            let browser = |true_ms: i64| true_ms + wrong_by_ms;
            let mut offset = ClockOffset::new(10_000, browser(10_800));
            assert_eq!(offset.server_ms(browser(11_000)), 10_200);
            offset.learn(12_000, browser(12_120));
            assert_eq!(offset.server_ms(browser(13_000)), 12_880);
            offset.learn(14_000, browser(14_040));
            assert_eq!(offset.server_ms(browser(15_000)), 14_960);
            // A slow event changes almost nothing.
            offset.learn(16_000, browser(18_000));
            assert_eq!(offset.server_ms(browser(20_000)), 19_958);
        }
    }

    #[test]
    fn sleep_keeps_the_difference_and_a_new_clock_is_learned_at_once() {
        let mut offset = ClockOffset::new(1_000, 1_000);
        offset.check_step(1_000, 0);
        // An hour of sleep, in which the time since the page was opened did not go on.
        offset.check_step(HOUR_MS + 1_250, 250);
        assert_eq!(offset.server_ms(HOUR_MS + 1_250), HOUR_MS + 1_250);
        offset.learn(HOUR_MS + 1_300, HOUR_MS + 1_350);
        // The clock is set forward by an hour: the next event shows that it is wrong.
        offset.check_step(2 * HOUR_MS + 2_000, 1_000);
        offset.learn(HOUR_MS + 2_000, 2 * HOUR_MS + 2_050);
        assert_eq!(offset.server_ms(2 * HOUR_MS + 3_050), HOUR_MS + 3_000);
    }

    #[test]
    fn a_slow_drift_is_no_step_and_is_followed() {
        let mut offset = ClockOffset::new(0, 0);
        for minute in 1..=1_000 {
            // The browser's clock is fast by a millisecond per minute.
            let (server_ms, browser_ms) = (minute * 60_000, minute * 60_001);
            offset.check_step(browser_ms, server_ms);
            offset.learn(server_ms, browser_ms);
            let error_ms = offset.server_ms(browser_ms) - server_ms;
            assert!((-2..=2).contains(&error_ms), "{error_ms}");
        }
    }
}
