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
/// After a step, so many times that are much lower than expected show that the clock was changed.
/// One of them may have arrived before a sleep, and have waited for the browser.
const LOW_TIMES_MAX: u8 = 2;

/// See the module's documentation. All times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct ClockOffset {
    ahead_ms: i64,
    /// How many low times replace the difference; 0 if it is not in doubt.
    low_times_left: u8,
    /// The browser's clock, less the time since the page was opened.
    opened_at_ms: Option<i64>,
}

impl ClockOffset {
    /// Starts with the time at which the server rendered the page, which is behind by as long as
    /// the page took to load.
    pub const fn new(rendered_at_ms: i64, browser_ms: i64) -> Self {
        Self {
            ahead_ms: rendered_at_ms.saturating_sub(browser_ms),
            low_times_left: 0,
            opened_at_ms: None,
        }
    }

    /// Takes a time that the server sent, and that arrived at `browser_ms`.
    pub fn observe(&mut self, server_ms: i64, browser_ms: i64) {
        let seen_ms = server_ms.saturating_sub(browser_ms);
        let kept_ms = self.ahead_ms.saturating_sub(DRIFT_MS);
        if seen_ms >= kept_ms.saturating_sub(STEP_MS) {
            self.low_times_left = 0;
        } else if self.low_times_left > 0 {
            self.low_times_left -= 1;
            if self.low_times_left == 0 {
                self.ahead_ms = seen_ms;
                return;
            }
        }
        self.ahead_ms = seen_ms.max(kept_ms);
    }

    /// Compares the browser's clock with `since_open_ms`, a time that cannot be set and that may
    /// stop while the computer sleeps.
    pub fn check_step(&mut self, browser_ms: i64, since_open_ms: i64) {
        let opened_at_ms = browser_ms.saturating_sub(since_open_ms);
        if let Some(before_ms) = self.opened_at_ms
            && opened_at_ms.abs_diff(before_ms) > STEP_MS.unsigned_abs()
        {
            self.low_times_left = LOW_TIMES_MAX;
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
            offset.observe(12_000, browser(12_120));
            assert_eq!(offset.server_ms(browser(13_000)), 12_880);
            offset.observe(14_000, browser(14_040));
            assert_eq!(offset.server_ms(browser(15_000)), 14_960);
            // A slow event changes almost nothing.
            offset.observe(16_000, browser(18_000));
            assert_eq!(offset.server_ms(browser(20_000)), 19_958);
        }
    }

    #[test]
    fn sleep_keeps_the_difference() {
        let mut offset = ClockOffset::new(1_000, 1_000);
        offset.check_step(1_000, 0);
        // An hour of sleep, in which the time since the page was opened did not advance.
        let woken_ms = HOUR_MS + 1_250;
        offset.check_step(woken_ms, 250);
        assert_eq!(offset.server_ms(woken_ms), woken_ms);
        // An event that had arrived before the sleep, then a new one.
        offset.observe(1_200, woken_ms);
        assert_eq!(offset.server_ms(woken_ms), woken_ms - DRIFT_MS);
        offset.observe(woken_ms, woken_ms + 50);
        let error_ms = offset.server_ms(woken_ms) - woken_ms;
        assert!((-2 * DRIFT_MS..=0).contains(&error_ms), "{error_ms}");
        // Long after that, a single late event changes nothing either.
        for second in 1..5 {
            offset.observe(
                woken_ms + second * 1_000,
                woken_ms + second * 1_000 + HOUR_MS,
            );
        }
        let error_ms = offset.server_ms(woken_ms) - woken_ms;
        assert!((-6 * DRIFT_MS..=0).contains(&error_ms), "{error_ms}");
    }

    #[test]
    fn a_clock_that_was_changed_is_corrected_by_the_second_event() {
        for (moved_by_ms, events) in [(HOUR_MS, 2), (-HOUR_MS, 1)] {
            let mut offset = ClockOffset::new(0, 0);
            offset.check_step(0, 0);
            let browser = |true_ms: i64| true_ms + moved_by_ms;
            offset.check_step(browser(1_000), 1_000);
            for event in 1..=events {
                let sent_ms = 1_000 + event * 1_000;
                offset.observe(sent_ms, browser(sent_ms + 40));
            }
            assert_eq!(offset.server_ms(browser(5_000)), 4_960, "{moved_by_ms}");
        }
    }

    #[test]
    fn a_slow_drift_is_no_step_and_is_followed() {
        let mut offset = ClockOffset::new(0, 0);
        for minute in 1..=1_000 {
            // The browser's clock is fast by a millisecond per minute.
            let (server_ms, browser_ms) = (minute * 60_000, minute * 60_001);
            offset.check_step(browser_ms, server_ms);
            offset.observe(server_ms, browser_ms);
            let error_ms = offset.server_ms(browser_ms) - server_ms;
            assert!((-2..=2).contains(&error_ms), "{error_ms}");
        }
    }
}
