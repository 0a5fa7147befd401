//! The steps of a session: each releases one statement of one actor.

use std::sync::Arc;

use tokio::{task::JoinHandle, time::Instant};

use super::{StepperSession, invalid_state};
use crate::{
    model::{
        ShopError,
        stepper::{STEPS_MAX, StepperStatus, StepperView},
    },
    simulation::stepper::{
        actor::Actor,
        gate::ActorPhase,
        quiescence::{self, Quiescence},
        session_view,
    },
};

impl StepperSession {
    /// Takes the steps of the session's script, as many of them as possible.
    pub(super) async fn replay(self: Arc<Self>) {
        let steps = std::mem::take(&mut self.lock_view().script.steps);
        let mut tasks = self.tasks.lock().await;
        for (index, actor) in self.actors.iter().enumerate() {
            tasks.push(actor.start(index, &self.context));
        }
        let mut done = self.refresh_when_quiescent().await;
        for (number, actor) in steps.into_iter().enumerate() {
            if done.is_ok() {
                done = self.take_step(actor, &mut tasks).await;
            }
            if let Err(error) = &done {
                self.lock_view().note = Some(format!(
                    "The replay ended before step {}: {error}",
                    number + 1
                ));
                break;
            }
        }
        if let Err(error) = done {
            tracing::debug!(%error, stepper = %self.id, "the replay ended early");
        }
        drop(tasks);
        self.replayed.send_replace(true);
    }

    /// Lets `actor` send its next statement, if the session has taken exactly `at` steps. So a
    /// repeated click is one step.
    ///
    /// # Errors
    /// [`ShopError::InvalidState`] if the actor is not at a statement, or the session is over.
    pub async fn step(
        self: &Arc<Self>,
        actor: usize,
        at: Option<usize>,
    ) -> Result<StepperView, ShopError> {
        let mut tasks = self.tasks.lock().await;
        let so_far = self.lock_view().script.steps.len();
        if at.is_none_or(|at| at == so_far) {
            self.lock_view().note = None;
            self.take_step(actor, &mut tasks).await?;
        }
        Ok(self.view())
    }

    async fn take_step(
        self: &Arc<Self>,
        actor: usize,
        tasks: &mut Vec<JoinHandle<()>>,
    ) -> Result<(), ShopError> {
        let status = self.lock_view().status.clone();
        if status != StepperStatus::Open {
            return Err(invalid_state(
                "This session is over. Replay it to continue from here.",
            ));
        }
        let so_far = self.lock_view().script.steps.len();
        if so_far >= STEPS_MAX {
            return Err(invalid_state(
                "This session has reached its maximum number of steps. Start a new one.",
            ));
        }
        self.last_step_at.send_replace(Instant::now());
        self.check_can_step(actor)?;
        if self.context.stepped.offers.len() > 1 {
            quiescence::wait_for_deadlock_check(&self.actors, &self.control).await?;
        }
        let gate = self.actors.get(actor).map(|actor| &actor.gate);
        if !gate.is_some_and(|gate| gate.release(so_far + 1)) {
            return Err(invalid_state("This participant is not at a statement."));
        }
        self.lock_view().script.steps.push(actor);
        self.refresh_when_quiescent().await?;
        self.last_step_at.send_replace(Instant::now());
        let is_over = |actor: &Actor| matches!(actor.gate.state().phase, ActorPhase::Ended { .. });
        if self.actors.iter().all(is_over) {
            self.end_session(StepperStatus::Over, tasks).await;
        }
        Ok(())
    }

    fn check_can_step(&self, index: usize) -> Result<(), ShopError> {
        let actor = self
            .actors
            .get(index)
            .ok_or_else(|| invalid_state("No participant has this letter."))?;
        let name = actor.role.name(index);
        match actor.gate.state().phase {
            ActorPhase::Stopped(_) => Ok(()),
            ActorPhase::Ended { .. } => Err(invalid_state(&format!("{name} has finished."))),
            ActorPhase::Sent(_) | ActorPhase::Working => Err(invalid_state(&format!(
                "{name} is waiting for a lock and continues when the lock is released."
            ))),
        }
    }

    async fn refresh_when_quiescent(&self) -> Result<(), ShopError> {
        let offers = self.context.stepped.offers.iter();
        let product_ids: Vec<_> = offers.map(|offer| offer.id).collect();
        let seen = quiescence::wait_until_quiescent(
            &self.actors,
            &product_ids,
            &self.control,
            &self.changes,
        )
        .await?;
        self.refresh_view(seen).await
    }

    async fn refresh_view(&self, seen: Quiescence) -> Result<(), ShopError> {
        let rows = session_view::rows(&self.actors, &self.context.stepped, &self.control).await?;
        let locks = session_view::locks(&self.actors, &rows, seen.locks, &self.control).await?;
        let mut view = self.lock_view();
        view.actors = session_view::actors(&self.actors, view.script.story, &seen.waits);
        view.rows = rows;
        view.locks = locks;
        drop(view);
        self.notify_viewers();
        Ok(())
    }
}
