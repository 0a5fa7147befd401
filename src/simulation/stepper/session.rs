//! A stepper session, from opening its connections to closing them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use time::OffsetDateTime;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::{
    StepperLimits,
    actor::{Actor, StoryContext},
    gate::{ActorPhase, ChangeSignal},
    late_payment::{LatePayment, StoryGateway},
    quiescence::{self, Quiescence},
    session_view,
};
use crate::{
    db::{Db, PoolSettings, sessions},
    feed::Feed,
    model::{
        Quantity, ShopError, SimulationPlan, StrategyKey,
        stepper::{Guess, Role, STEPS_MAX, Script, StepperStatus, StepperView, Story},
    },
    shop::{Shop, moment},
    simulation::{run_task, store},
};

/// Settings of the session's control connections, which have no gate.
const CONTROL: PoolSettings = PoolSettings {
    application_name: "doorbuster stepper control",
    transactions_max: 1,
    readers_max: 1,
    is_guarded: false,
    ..PoolSettings::SHOP
};
/// The pause before the clock of a session is restarted after a panic.
const CLOCK_RESTART: Duration = Duration::from_secs(1);
/// The most connections that it opens with these settings.
const CONTROL_CONNECTIONS: u32 = CONTROL.transactions_max + CONTROL.readers_max;
/// How long actors may take to roll back before their connections are terminated.
const ROLLBACK_MAX: Duration = Duration::from_secs(2);

/// A stepper session: its actors, their connections, and the view that the page shows.
#[derive(Debug)]
pub struct StepperSession {
    id: Uuid,
    limits: StepperLimits,
    opened_at: Instant,
    actors: Vec<Actor>,
    context: StoryContext,
    control: Db,
    changes: ChangeSignal,
    view: Mutex<StepperView>,
    /// The actors' tasks. The lock also serialises steps.
    tasks: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    last_step_at: watch::Sender<Instant>,
    /// The session stays open until then, also without a step.
    kept_until: Mutex<Option<Instant>>,
    replayed: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    /// Incremented whenever the view has changed.
    view_changes: watch::Sender<u64>,
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl StepperSession {
    pub(super) async fn open(
        url: &str,
        limits: StepperLimits,
        script: Script,
        guess: Option<Guess>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Arc<Self>, ShopError> {
        let control = Db::connect(url, CONTROL).await.map_err(|error| {
            tracing::warn!(%error, "could not open a connection for the stepper");
            ShopError::Unavailable { retry_after_s: 2 }
        })?;
        script.story.check_runs_on(control.engine())?;
        let ungated =
            Shop::new(control.clone(), Feed::default()).with_gateway(StoryGateway::gateway());
        let stepped = store::open_stepped(&control, plan(&script)).await?;
        let late_payment = match (script.story, stepped.offers.first()) {
            (Story::ExpiredHold, Some(offer)) => Some(LatePayment::order(&ungated, offer).await?),
            _ => None,
        };
        let mut carts = Vec::new();
        if script.story == Story::GapLocks {
            for offer in &stepped.offers {
                let added = ungated.carts().add(None, offer.id, Quantity::ONE, None);
                carts.push(added.await?);
            }
        }
        let changes: ChangeSignal = Arc::default();
        let mut actors = Vec::new();
        for role in script.roles() {
            actors.push(Actor::connect(role, &changes, &control, url, &stepped).await?);
        }
        let id = Uuid::now_v7();
        let view = StepperView {
            id: id.to_string(),
            engine: control.engine(),
            script,
            status: StepperStatus::Open,
            actors: Vec::new(),
            rows: Vec::new(),
            locks: Vec::new(),
            outcome: None,
            guess,
            kept_until: None,
            connections: u32::try_from(actors.len()).unwrap_or(u32::MAX) + CONTROL_CONNECTIONS,
            note: None,
        };
        Ok(Arc::new(Self {
            id,
            limits,
            opened_at: Instant::now(),
            actors,
            context: StoryContext {
                stepped,
                late_payment,
                carts,
                ungated,
                deadline: limits.lifetime.max(limits.kept_lifetime),
            },
            control,
            changes,
            view: Mutex::new(view),
            tasks: tokio::sync::Mutex::default(),
            last_step_at: watch::Sender::new(Instant::now()),
            kept_until: Mutex::default(),
            replayed: watch::Sender::new(false),
            ended: watch::Sender::new(false),
            view_changes: watch::Sender::new(0),
            slot: Mutex::new(Some(slot)),
        }))
    }

    /// The session's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether its connections have been closed.
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Time since the last step.
    pub fn idle_for(&self) -> Duration {
        self.last_step_at.borrow().elapsed()
    }

    /// How much longer the session is kept open without a step; `None` if it is not, or if it is
    /// over.
    pub fn kept_for(&self) -> Option<Duration> {
        let kept_until = (*self.lock_kept())?;
        let left = kept_until.saturating_duration_since(Instant::now());
        (!self.has_ended() && left > Duration::ZERO).then_some(left)
    }

    /// Keeps the session open for `time` from now, but not beyond its greatest age; zero ends this.
    ///
    /// # Errors
    /// [`ShopError::InvalidState`] if the session is over.
    pub(super) fn keep_open(&self, time: Duration) -> Result<StepperView, ShopError> {
        if self.lock_view().status != StepperStatus::Open {
            return Err(invalid_state(
                "This session is over. Replay it to continue from here.",
            ));
        }
        let now = Instant::now();
        let kept_until = (now + time).min(self.opened_at + self.limits.kept_lifetime);
        let kept_until = (kept_until > now).then_some(kept_until);
        *self.lock_kept() = kept_until;
        self.lock_view().kept_until = kept_until.map(|until| {
            moment::time_in_utc(OffsetDateTime::now_utc() + until.saturating_duration_since(now))
        });
        // A session whose time was over long ago gets the usual time again.
        self.last_step_at.send_replace(now);
        self.notify_viewers();
        Ok(self.view())
    }

    /// Returns once its connections are closed.
    pub async fn wait_until_ended(&self) {
        // Cannot fail: `self` owns the sender.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Returns once the steps of its script have been replayed, or as many of them as possible.
    pub async fn replayed(&self) {
        let _ = self.replayed.subscribe().wait_for(|done| *done).await;
    }

    /// Subscribes to changes of the view.
    pub fn view_changes(&self) -> watch::Receiver<u64> {
        self.view_changes.subscribe()
    }

    /// Returns the current view.
    pub fn view(&self) -> StepperView {
        self.lock_view().clone()
    }

    /// The ids of its actors' database sessions.
    pub fn pids(&self) -> Vec<i32> {
        self.actors.iter().map(|actor| actor.pid).collect()
    }

    /// Starts the actors, the replay of the script, and the timeout watch.
    pub(super) fn start(self: &Arc<Self>) {
        let session = Arc::clone(self);
        tokio::spawn(async move {
            let replay = Arc::clone(&session).replay();
            if let Err(panic) = run_task::catch("the replay", replay).await {
                tracing::error!(%panic, stepper = %session.id, "the replay ended early");
                session.replayed.send_replace(true);
            }
        });
        let session = Arc::clone(self);
        tokio::spawn(async move {
            // Without its clock, a session would keep its connections forever.
            while let Err(panic) =
                run_task::catch("the clock", Arc::clone(&session).watch_clock()).await
            {
                tracing::error!(%panic, stepper = %session.id, "the clock of a stepper session restarts");
                tokio::time::sleep(CLOCK_RESTART).await;
            }
        });
    }

    async fn replay(self: Arc<Self>) {
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

    /// Ends the session early and rolls back its open transactions.
    pub async fn end(&self, why: &str) {
        let mut tasks = self.tasks.lock().await;
        let status = StepperStatus::RolledBack(why.to_owned());
        self.end_session(status, &mut tasks).await;
    }

    async fn end_session(&self, status: StepperStatus, tasks: &mut Vec<JoinHandle<()>>) {
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

    async fn watch_clock(self: Arc<Self>) {
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

    fn lock_kept(&self) -> MutexGuard<'_, Option<Instant>> {
        self.kept_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_viewers(&self) {
        self.view_changes
            .send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn lock_view(&self) -> MutexGuard<'_, StepperView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn invalid_state(sentence: &str) -> ShopError {
    ShopError::InvalidState(sentence.to_owned())
}

/// The plan for the lanes of a session: one per product. A lane is unsafe if any of its buyers'
/// strategies is.
fn plan(script: &Script) -> SimulationPlan {
    let strategies = script.roles().into_iter().filter_map(|role| match role {
        Role::Buyer(buyer) => Some(buyer.strategy),
        _ => None,
    });
    let strategies: Vec<_> = strategies.collect();
    let strategy = strategies
        .iter()
        .find(|strategy| !strategy.is_safe())
        .or(strategies.first())
        .copied()
        .unwrap_or(StrategyKey::RowLock);
    SimulationPlan {
        strategies: vec![strategy; script.story.products()],
        buyers: u32::try_from(script.actors()).unwrap_or(u32::MAX),
        stock: script.stock,
        ..SimulationPlan::preset()
    }
}
