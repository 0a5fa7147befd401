//! How often a process reads the rows that it shows, to see what other processes have changed.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Interval of these reads while notices arrive: a change whose notice was lost is seen after at
/// most this time.
pub const RESYNC_INTERVAL: Duration = Duration::from_secs(3);

/// The rounds of one reader: at [`RESYNC_INTERVAL`] while notices arrive, otherwise more often, and
/// at once when they cease or arrive again.
#[derive(Debug)]
pub struct Pace {
    receives: watch::Receiver<bool>,
    without_notices: Duration,
    last_round: Instant,
}

impl Pace {
    pub(super) fn new(receives: watch::Receiver<bool>, without_notices: Duration) -> Self {
        Self {
            receives,
            without_notices,
            last_round: Instant::now(),
        }
    }

    /// Waits for the next round. A wait that is dropped and begun again ends at the same time.
    pub async fn next_round(&mut self) {
        let due = self.due();
        tokio::select! {
            Ok(()) = self.receives.changed() => {}
            () = sleep_until(due) => {}
        }
        self.last_round = Instant::now();
    }

    fn due(&self) -> Instant {
        self.last_round + self.interval()
    }

    fn interval(&self) -> Duration {
        if *self.receives.borrow() {
            RESYNC_INTERVAL
        } else {
            self.without_notices
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// No test waits for a round that is due by its interval.
    const HOUR: Duration = Duration::from_secs(3_600);
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_round_begins_at_once_when_notices_arrive_again_and_when_they_cease() {
        let receives = watch::Sender::new(false);
        let mut pace = Pace::new(receives.subscribe(), HOUR);
        assert_eq!(pace.interval(), HOUR);
        for (now, interval) in [(true, RESYNC_INTERVAL), (false, HOUR)] {
            let before = pace.last_round;
            receives.send_replace(now);
            let round = timeout(PATIENCE, pace.next_round()).await;
            assert!(round.is_ok(), "{now}");
            assert!(pace.last_round > before);
            assert_eq!(pace.interval(), interval);
        }
    }

    #[tokio::test]
    async fn a_wait_that_begins_again_ends_at_the_same_time() {
        let receives = watch::Sender::new(false);
        let mut pace = Pace::new(receives.subscribe(), HOUR);
        let due = pace.due();
        for _ in 0..3 {
            let wait = timeout(Duration::from_millis(1), pace.next_round()).await;
            assert!(wait.is_err());
        }
        assert_eq!(pace.due(), due);
    }
}
