//! Restarts a background task that panics.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::simulation::run_task;

/// The pause before the first restart. It doubles with each panic.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// The longest pause before a restart.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A task that ran for this long before it panicked is restarted after the first pause again.
const STABLE_AFTER: Duration = Duration::from_secs(300);

/// Runs `task` until the server stops. A task that panics, or that ends before, is logged and
/// started again: maintenance that ended unnoticed would leave holds and payments open for good.
pub async fn supervise<F>(name: &'static str, shutdown: CancellationToken, task: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    let mut backoff = Backoff::starting_with(BACKOFF_FIRST);
    restart_until(name, shutdown, task, &mut backoff).await;
}

async fn restart_until<F>(
    name: &'static str,
    shutdown: CancellationToken,
    task: impl Fn() -> F,
    backoff: &mut Backoff,
) where
    F: Future<Output = ()>,
{
    loop {
        let started = Instant::now();
        let outcome = run_task::catch(name, async { task().await }).await;
        if shutdown.is_cancelled() {
            return;
        }
        let pause = backoff.after(started.elapsed());
        let restart_in_s = pause.as_secs();
        match outcome {
            Ok(()) => tracing::error!(task = name, restart_in_s, "a maintenance task ended"),
            Err(panic) => {
                tracing::error!(%panic, restart_in_s, "a maintenance task panicked");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The pauses before the restarts of one task.
#[derive(Debug)]
struct Backoff {
    first: Duration,
    next: Duration,
}

impl Backoff {
    const fn starting_with(first: Duration) -> Self {
        Self { first, next: first }
    }

    /// Returns the pause after a task that ran for `lived`.
    fn after(&mut self, lived: Duration) -> Duration {
        if lived >= STABLE_AFTER {
            self.next = self.first;
        }
        let pause = self.next;
        self.next = (pause * 2).min(BACKOFF_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_pause_grows_until_a_task_was_stable() {
        let mut backoff = Backoff::starting_with(BACKOFF_FIRST);
        let mut pauses = |lived: Duration, times: usize| -> Vec<u64> {
            let pauses = (0..times).map(|_| backoff.after(lived).as_secs());
            pauses.collect()
        };
        let short = Duration::from_secs(2);
        assert_eq!(pauses(short, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses(STABLE_AFTER, 1), [1]);
        assert_eq!(pauses(short, 2), [2, 4]);
    }

    /// Supervises a task that cancels `shutdown` in its third run. Returns the number of its runs.
    async fn runs(early_end: impl Fn()) -> u32 {
        let (shutdown, runs) = (CancellationToken::new(), AtomicU32::new(0));
        let task = || {
            if runs.fetch_add(1, Ordering::Relaxed) == 2 {
                shutdown.cancel();
            } else {
                early_end();
            }
            std::future::ready(())
        };
        let mut backoff = Backoff::starting_with(Duration::ZERO);
        restart_until("the task", shutdown.clone(), task, &mut backoff).await;
        runs.into_inner()
    }

    #[tokio::test]
    async fn a_task_that_panics_is_restarted() {
        assert_eq!(runs(|| panic!("a fault")).await, 3);
    }

    #[tokio::test]
    async fn a_task_that_ends_before_the_server_is_restarted() {
        assert_eq!(runs(|| {}).await, 3);
    }

    #[tokio::test]
    async fn the_end_of_the_server_ends_the_pause() {
        let shutdown = CancellationToken::new();
        let mut backoff = Backoff::starting_with(BACKOFF_MAX);
        let ends_at_once = || std::future::ready(());
        let supervised = restart_until("the task", shutdown.clone(), ends_at_once, &mut backoff);
        // The task has ended, and its restart is a minute away, when the server stops.
        let both = futures::future::join(supervised, async { shutdown.cancel() });
        assert!(tokio::time::timeout(BACKOFF_MAX / 2, both).await.is_ok());
    }
}
