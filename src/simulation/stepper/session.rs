//! A stepper session, from opening its connections to closing them.

mod end;
mod steps;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinHandle,
    time::Instant,
};
use uuid::Uuid;

use super::{
    StepperLimits,
    actor::{Actor, StoryContext},
    gate::ChangeSignal,
    late_payment::{LatePayment, StoryGateway},
};
use crate::{
    db::{Db, PoolSettings},
    feed::Feed,
    model::{
        Quantity, ShopError, SimulationPlan, StrategyKey,
        stepper::{Guess, Role, Script, StepperStatus, StepperView, Story},
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
        .unwrap_or(StrategyKey::DEFAULT);
    SimulationPlan {
        strategies: vec![strategy; script.story.products()],
        buyers: u32::try_from(script.actors()).unwrap_or(u32::MAX),
        stock: script.stock,
        ..SimulationPlan::preset()
    }
}
