//! The door that a run's buyers come through. Its leader may close it for a while, for good, or send everybody away.

use std::time::{Duration, Instant};

use tokio::{sync::watch, time::sleep_until};

use crate::model::RunWish;

/// See the module's documentation.
#[derive(Debug)]
pub struct Door(watch::Sender<Standing>);

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    wish: RunWish,
    /// Since when it has been closed for a while.
    closed_at: Option<Instant>,
    /// For how long it had been closed before.
    closed_for: Duration,
}

impl Standing {
    fn closed_for(&self, now: Instant) -> Duration {
        let closed_at = self.closed_at.unwrap_or(now);
        self.closed_for + now.saturating_duration_since(closed_at)
    }
}

impl Door {
    /// An open one.
    pub fn new() -> Self {
        Self(watch::Sender::new(Standing::default()))
    }

    /// What the leader wants now.
    pub fn wish(&self) -> RunWish {
        self.0.borrow().wish
    }

    /// For how long nobody has been let in, all in all.
    pub fn closed_for(&self) -> Duration {
        self.0.borrow().closed_for(Instant::now())
    }

    /// Follows a wish. Returns false when nothing changes: it is wanted already, or the run is ending.
    pub fn follow(&self, wish: RunWish) -> bool {
        self.0.send_if_modified(|standing| {
            let settled = standing.wish == RunWish::Abort
                || standing.wish == wish
                || (standing.wish.is_end() && !wish.is_end());
            if settled {
                return false;
            }
            let now = Instant::now();
            standing.closed_for = standing.closed_for(now);
            standing.closed_at = (wish == RunWish::Pause).then_some(now);
            standing.wish = wish;
            true
        })
    }

    /// Lets a buyer in who means to come at `due`, a moment that was set when the door had been closed for `closed_before`: later by
    /// as long as it was closed since. Returns the moment from which the buyer counts as there; none once nobody is let in any more.
    pub async fn enter(&self, due: Instant, closed_before: Duration) -> Option<Instant> {
        let mut standing = self.0.subscribe();
        loop {
            let now = *standing.borrow_and_update();
            let due = due + now.closed_for.saturating_sub(closed_before);
            match now.wish {
                RunWish::Stop | RunWish::Abort => return None,
                RunWish::Run if due <= Instant::now() => return Some(due),
                RunWish::Run => {
                    tokio::select! {
                        biased;
                        changed = standing.changed() => changed.ok()?,
                        () = sleep_until(due.into()) => return Some(due),
                    }
                }
                RunWish::Pause => standing.changed().await.ok()?,
            }
        }
    }

    /// Returns when everybody is sent away.
    pub async fn sent_away(&self) {
        let mut standing = self.0.subscribe();
        let aborted = standing.wait_for(|standing| standing.wish == RunWish::Abort);
        if aborted.await.is_err() {
            // The door is gone, and with it the run.
            std::future::pending::<()>().await;
        }
    }
}

impl Default for Door {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_run_that_was_stopped_does_not_go_on_again() {
        let door = Door::new();
        assert!(!door.follow(RunWish::Run), "it runs already");
        assert!(door.follow(RunWish::Pause));
        assert!(door.follow(RunWish::Stop));
        assert!(!door.follow(RunWish::Run));
        assert!(!door.follow(RunWish::Pause));
        assert!(
            door.follow(RunWish::Abort),
            "what is stopping can be aborted"
        );
        assert!(!door.follow(RunWish::Stop));
    }

    #[tokio::test]
    async fn an_open_door_lets_in_who_is_due() {
        let (door, now) = (Door::new(), Instant::now());
        assert_eq!(door.enter(now, Duration::ZERO).await, Some(now));
    }

    #[tokio::test]
    async fn who_is_due_later_waits() {
        let door = Door::new();
        let due = Instant::now() + Duration::from_millis(5);
        assert_eq!(door.enter(due, Duration::ZERO).await, Some(due));
        assert!(Instant::now() >= due);
    }

    #[tokio::test]
    async fn a_closed_door_moves_everybody_on_by_as_long_as_it_was_closed() {
        let door = Arc::new(Door::new());
        door.follow(RunWish::Pause);
        let due = Instant::now();
        let closed_before = Duration::ZERO;
        let mut waiting = Box::pin(door.enter(due, closed_before));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        door.follow(RunWish::Run);
        assert_eq!(waiting.await, Some(due + door.closed_for()));
    }

    #[tokio::test]
    async fn who_stands_before_a_door_that_closes_for_good_goes_home() {
        for wish in [RunWish::Stop, RunWish::Abort] {
            let door = Door::new();
            door.follow(RunWish::Pause);
            let mut waiting = Box::pin(door.enter(Instant::now(), Duration::ZERO));
            assert_eq!(waiting.as_mut().now_or_never(), None);
            let later = Instant::now() + Duration::from_secs(3_600);
            let mut thinking = Box::pin(door.enter(later, Duration::ZERO));
            assert_eq!(thinking.as_mut().now_or_never(), None);
            door.follow(wish);
            assert_eq!(waiting.await, None);
            assert_eq!(thinking.await, None);
        }
    }

    #[tokio::test]
    async fn only_an_abort_sends_away_who_is_inside() {
        let door = Door::new();
        door.follow(RunWish::Stop);
        assert_eq!(door.sent_away().now_or_never(), None);
        door.follow(RunWish::Abort);
        assert_eq!(door.sent_away().now_or_never(), Some(()));
    }
}
