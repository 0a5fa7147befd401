//! The end of a session: after its last step, early, or when its time is over.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::StepperSession;
use crate::{
    db::sessions,
    model::{ShopError, stepper::StepperStatus},
    simulation::stepper::{quiescence::Quiescence, session_view},
};

/// How long actors may take to roll back before their connections are terminated.
const ROLLBACK_MAX: Duration = Duration::from_secs(2);

impl StepperSession {
    /// Ends the session early and rolls back its open transactions.
    pub async fn end(&self, why: &str) {
        let mut tasks = self.tasks.lock().await;
        let status = StepperStatus::RolledBack(why.to_owned());
        self.end_session(status, &mut tasks).await;
    }

    pub(super) async fn end_session(&self, status: StepperStatus, tasks: &mut Vec<JoinHandle<()>>) {
        if self.has_ended() {
            return;
        }
        for actor in &self.actors {
            actor.gate.close();
        }
        let over = timeout(ROLLBACK_MAX, join_all(tasks.drain(..))).await;
        if over.is_err()
            && let Err(error) = sessions::terminate(self.control.reader(), &self.pids()).await
        {
            tracing::warn!(%error, stepper = %self.id, "could not terminate the connections of a stepper session");
        }
        let was_over = status == StepperStatus::Over;
        self.mark_ended(status);
        if let Some(late_payment) = &self.context.late_payment
            && let Err(error) = late_payment.close(&self.context.ungated).await
        {
            tracing::warn!(%error, stepper = %self.id, "could not cancel the payment of a stepper session");
        }
        if let Err(error) = self.refresh_at_end(was_over).await {
            tracing::warn!(%error, stepper = %self.id, "could not read the final state of a stepper session");
        }
        for actor in &self.actors {
            actor.close().await;
        }
        self.control.clone().close().await;
        drop(self.slot().take());
        self.ended.send_replace(true);
        self.notify_viewers();
    }

    fn mark_ended(&self, status: StepperStatus) {
        let mut view = self.lock_view();
        view.status = status;
        view.kept_until = None;
    }

    /// Reads the final rows and counters. If the session was rolled back, the actors' last states
    /// stay as they were.
    async fn refresh_at_end(&self, was_over: bool) -> Result<(), ShopError> {
        let rows = session_view::rows(&self.actors, &self.context.stepped, &self.control).await?;
        let outcome = session_view::outcome(&self.context.stepped, &rows, &self.control).await?;
        let mut view = self.lock_view();
        if was_over {
            view.actors = session_view::actors(
                &self.actors,
                view.script.story,
                &Quiescence::default().waits,
            );
        }
        view.rows = rows;
        view.locks.clear();
        view.outcome = Some(outcome);
        Ok(())
    }

    /// Ends the session when it has been idle for too long, or is too old.
    pub(super) async fn watch_clock(self: Arc<Self>) {
        let mut last_step_at = self.last_step_at.subscribe();
        loop {
            last_step_at.borrow_and_update();
            tokio::select! {
                () = self.wait_until_ended() => return,
                _ = last_step_at.changed() => {}
                () = tokio::time::sleep_until(self.deadline()) => {
                    let mut tasks = self.tasks.lock().await;
                    // Checked again: a step may have been in progress.
                    if self.deadline() <= Instant::now() {
                        let why = "No step was taken for too long, so open transactions were rolled back.";
                        let status = StepperStatus::RolledBack(why.to_owned());
                        return self.end_session(status, &mut tasks).await;
                    }
                }
            }
        }
    }

    fn deadline(&self) -> Instant {
        let idle = *self.last_step_at.borrow() + self.limits.idle;
        let usual = idle.min(self.opened_at + self.limits.lifetime);
        let kept_until = *self.lock_kept();
        kept_until.map_or(usual, |kept_until| kept_until.max(usual))
    }
}
