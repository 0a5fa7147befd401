//! The addresses of operators. Few of their figures are computed at once: those who ask for them at
//! the same moment wait for each other, and the shop hardly notices them.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{json::problem::Problem, request_path::path_of};
use crate::model::ShopError;

/// The paths of the figures. They contain nothing about a person or an order.
pub const FIGURES: [&str; 2] = ["/admin/health", "/metrics"];
/// The incident guide.
const GUIDE: &str = "/admin/health/guide";

/// Requests whose figures are computed at the same time.
const COMPUTED_MAX: usize = 4;
/// How long a request waits for its turn. One takes milliseconds.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// After a refusal, a retry makes sense this much later, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// Returns true for the addresses at which an operator sees what is wrong. Exactly these: any
/// address below them could be a page.
pub fn is_for_operators(path: &str) -> bool {
    FIGURES.contains(&path) || path == GUIDE
}

/// The turns of requests for figures.
#[derive(Debug)]
pub struct FigureTurns {
    turns: Semaphore,
    wait_max: Duration,
}

impl Default for FigureTurns {
    fn default() -> Self {
        Self::new(COMPUTED_MAX, WAIT_MAX)
    }
}

impl FigureTurns {
    /// Lets `computed_max` requests compute at the same time. Others wait for at most `wait_max`.
    pub fn new(computed_max: usize, wait_max: Duration) -> Self {
        Self {
            turns: Semaphore::new(computed_max),
            wait_max,
        }
    }

    /// Waits for a turn, which lasts until it is dropped. Returns `None` if there was none in time.
    pub async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        let turn = timeout(self.wait_max, self.turns.acquire()).await;
        // The semaphore is never closed.
        turn.ok()?.ok()
    }
}

/// Lets a request for figures wait for its turn, and refuses it if there is none in time. It is
/// behind the check of the administrator: strangers take no turn.
pub async fn take_turns(
    State(turns): State<Arc<FigureTurns>>,
    request: Request,
    next: Next,
) -> Response {
    if !FIGURES.contains(&path_of(request.uri())) {
        return next.run(request).await;
    }
    let Some(_turn) = turns.wait().await else {
        let retry_after_s = RETRY_AFTER_S;
        return Problem(ShopError::Busy { retry_after_s }).into_response();
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_request_beyond_the_limit_waits_for_a_turn() {
        let turns = FigureTurns::new(2, LONG);
        let (first, second) = (turns.wait().await, turns.wait().await);
        assert!(first.is_some() && second.is_some());
        let mut third = Box::pin(turns.wait());
        assert!(poll!(&mut third).is_pending());
        drop(first);
        assert!(third.await.is_some());
    }

    #[tokio::test]
    async fn a_request_that_gets_no_turn_in_time_is_refused() {
        let turns = FigureTurns::new(1, Duration::ZERO);
        let first = turns.wait().await;
        assert!(first.is_some(), "a free turn needs no time");
        assert!(turns.wait().await.is_none());
        drop(first);
        assert!(turns.wait().await.is_some());
    }

    #[tokio::test]
    async fn a_request_that_leaves_while_it_waits_takes_no_turn() {
        let turns = FigureTurns::new(1, LONG);
        let first = turns.wait().await;
        let mut waiting = Box::pin(turns.wait());
        assert!(poll!(&mut waiting).is_pending());
        drop(waiting);
        drop(first);
        let mut next = Box::pin(turns.wait());
        assert!(poll!(&mut next).is_ready());
    }

    #[test]
    fn only_the_figures_and_the_guide_are_for_operators() {
        for path in ["/metrics", "/admin/health", "/admin/health/guide"] {
            assert!(is_for_operators(path), "{path}");
        }
        for path in ["/", "/admin", "/admin/health/other", "/metrics/other"] {
            assert!(!is_for_operators(path), "{path}");
        }
    }
}
