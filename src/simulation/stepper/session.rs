//! One session, from its first connection to the last.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::{
    StepperLimits, board,
    cast::{Actor, Stage},
    gate::{Bell, Now},
    late::{Late, StoryProvider},
    settling::{self, Waits},
};
use crate::{
    db::{Db, PoolSettings, sessions},
    feed::Feed,
    model::{
        ShopError, SimulationPlan, StrategyKey,
        stepper::{Guess, Role, STEPS_MAX, Script, Standing, StepperView, Story},
    },
    shop::Shop,
    simulation::store,
};

/// What a session itself asks, past its gates.
const CONTROL: PoolSettings = PoolSettings {
    application_name: "doorbuster stepper control",
    transactions_max: 1,
    readers_max: 1,
    ..PoolSettings::SHOP
};
/// How long actors may take to roll back before their connections are cut.
const ROLLBACK_MAX: Duration = Duration::from_secs(2);

/// See the module's documentation.
#[derive(Debug)]
pub struct Session {
    id: Uuid,
    limits: StepperLimits,
    born: Instant,
    actors: Vec<Actor>,
    stage: Stage,
    control: Db,
    bell: Bell,
    view: Mutex<StepperView>,
    /// One step at a time; what is kept are the actors' tasks.
    turn: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    touched: watch::Sender<Instant>,
    replayed: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    /// Rings when the view has changed.
    news: watch::Sender<u64>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Session {
    pub(super) async fn open(
        url: &str,
        limits: StepperLimits,
        script: Script,
        guess: Option<Guess>,
        place: OwnedSemaphorePermit,
    ) -> Result<Arc<Self>, ShopError> {
        let control = Db::connect(url, CONTROL).await.map_err(|error| {
            tracing::warn!(%error, "a connection for the stepper");
            ShopError::Unavailable { retry_after_s: 2 }
        })?;
        let plain =
            Shop::new(control.clone(), Feed::default()).with_gateway(StoryProvider::gateway());
        let ground = store::open_stepped(&control, plan(&script)).await?;
        let late = match (script.story, ground.offers.first()) {
            (Story::ExpiredHold, Some(offer)) => Some(Late::order(&plain, offer).await?),
            _ => None,
        };
        let bell: Bell = Arc::default();
        let mut actors = Vec::new();
        for role in script.roles() {
            actors.push(Actor::seat(role, &bell, &control, url, &ground).await?);
        }
        let id = Uuid::now_v7();
        let view = StepperView {
            id: id.to_string(),
            script,
            standing: Standing::Open,
            actors: Vec::new(),
            rows: Vec::new(),
            locks: Vec::new(),
            outcome: None,
            guess,
            note: None,
        };
        Ok(Arc::new(Self {
            id,
            limits,
            born: Instant::now(),
            actors,
            stage: Stage {
                ground,
                late,
                plain,
                patience: limits.lifetime,
            },
            control,
            bell,
            view: Mutex::new(view),
            turn: tokio::sync::Mutex::default(),
            touched: watch::Sender::new(Instant::now()),
            replayed: watch::Sender::new(false),
            ended: watch::Sender::new(false),
            news: watch::Sender::new(0),
            place: Mutex::new(Some(place)),
        }))
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// True once its connections are closed.
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Time since the last step.
    pub fn still_for(&self) -> Duration {
        self.touched.borrow().elapsed()
    }

    /// Returns once its connections are closed.
    pub async fn until_ended(&self) {
        // The sender is ours.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Returns once all steps of its script have been taken, or as many as could be.
    pub async fn replayed(&self) {
        let _ = self.replayed.subscribe().wait_for(|done| *done).await;
    }

    /// It changes whenever the view does.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// As it stands.
    pub fn view(&self) -> StepperView {
        self.lock_view().clone()
    }

    /// The processes of its actors, for those who ask the database about them.
    pub fn pids(&self) -> Vec<i32> {
        self.actors.iter().map(|actor| actor.pid).collect()
    }

    /// Sets the actors going, goes through the script, and watches the clock.
    pub(super) fn begin(self: &Arc<Self>) {
        let session = Arc::clone(self);
        tokio::spawn(async move { session.replay().await });
        let session = Arc::clone(self);
        tokio::spawn(async move { session.watch_clock().await });
    }

    async fn replay(self: Arc<Self>) {
        let steps = std::mem::take(&mut self.lock_view().script.steps);
        let mut tasks = self.turn.lock().await;
        for (index, actor) in self.actors.iter().enumerate() {
            tasks.push(actor.start(index, &self.stage));
        }
        let mut done = self.settle_and_look().await;
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

    /// Lets `actor` send its statement, if the session has come `at` so many steps; a press that comes twice is one step.
    ///
    /// # Errors
    /// [`ShopError::NotNow`] with a sentence, if the actor does not stand before a statement, or the session is over; what a database failure
    /// means.
    pub async fn step(
        self: &Arc<Self>,
        actor: usize,
        at: Option<usize>,
    ) -> Result<StepperView, ShopError> {
        let mut tasks = self.turn.lock().await;
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
        let standing = self.lock_view().standing.clone();
        if standing != Standing::Open {
            return Err(not_now(
                "This session is over. Replay it to go on from here.",
            ));
        }
        let so_far = self.lock_view().script.steps.len();
        if so_far >= STEPS_MAX {
            return Err(not_now("This session has taken as many steps as it may."));
        }
        self.touched.send_replace(Instant::now());
        self.check_may_go(actor)?;
        if self.stage.ground.offers.len() > 1 {
            settling::let_waits_be_looked_at(&self.actors, &self.control).await?;
        }
        let gate = self.actors.get(actor).map(|actor| &actor.gate);
        if !gate.is_some_and(|gate| gate.go(so_far + 1)) {
            return Err(not_now("Nobody stands there."));
        }
        self.lock_view().script.steps.push(actor);
        self.settle_and_look().await?;
        self.touched.send_replace(Instant::now());
        let is_over = |actor: &Actor| matches!(actor.gate.known().now, Now::Ended { .. });
        if self.actors.iter().all(is_over) {
            self.end_in_turn(Standing::Over, tasks).await;
        }
        Ok(())
    }

    fn check_may_go(&self, index: usize) -> Result<(), ShopError> {
        let actor = self
            .actors
            .get(index)
            .ok_or_else(|| not_now("Nobody of that letter takes part."))?;
        let name = actor.role.name(index);
        match actor.gate.known().now {
            Now::Stopped(_) => Ok(()),
            Now::Ended { .. } => Err(not_now(&format!("{name} has come to its end."))),
            Now::Sent(_) | Now::Working => Err(not_now(&format!(
                "{name} waits, and goes on when what it waits for is let go."
            ))),
        }
    }

    async fn settle_and_look(&self) -> Result<(), ShopError> {
        let waits = settling::settle(&self.actors, &self.control, &self.bell).await?;
        self.look(&waits).await
    }

    async fn look(&self, waits: &Waits) -> Result<(), ShopError> {
        let rows = board::rows(&self.actors, &self.stage.ground, &self.control).await?;
        let locks = board::locks(&self.actors, &rows, &self.control).await?;
        let mut view = self.lock_view();
        view.actors = board::actors(&self.actors, view.script.story, waits);
        view.rows = rows;
        view.locks = locks;
        drop(view);
        self.tell();
        Ok(())
    }

    /// Ends it before its time: what is open is rolled back.
    pub async fn end(&self, why: &str) {
        let mut tasks = self.turn.lock().await;
        let standing = Standing::RolledBack(why.to_owned());
        self.end_in_turn(standing, &mut tasks).await;
    }

    async fn end_in_turn(&self, standing: Standing, tasks: &mut Vec<JoinHandle<()>>) {
        if self.has_ended() {
            return;
        }
        for actor in &self.actors {
            actor.gate.halt();
        }
        let over = timeout(ROLLBACK_MAX, join_all(tasks.drain(..))).await;
        if over.is_err()
            && let Err(error) = sessions::end(self.control.reader(), &self.pids()).await
        {
            tracing::warn!(%error, stepper = %self.id, "ending sessions of the stepper");
        }
        let was_over = standing == Standing::Over;
        self.lock_view().standing = standing;
        if let Some(late) = &self.stage.late
            && let Err(error) = late.close(&self.stage.plain).await
        {
            tracing::warn!(%error, stepper = %self.id, "closing a story's payment");
        }
        if let Err(error) = self.look_last(was_over).await {
            tracing::warn!(%error, stepper = %self.id, "the last look at a session");
        }
        for actor in &self.actors {
            actor.leave().await;
        }
        self.control.clone().close().await;
        drop(self.place().take());
        self.ended.send_replace(true);
        self.tell();
    }

    /// Counts what there is when all is done. Where those stood who were rolled back stays as it was.
    async fn look_last(&self, was_over: bool) -> Result<(), ShopError> {
        let rows = board::rows(&self.actors, &self.stage.ground, &self.control).await?;
        let outcome = board::outcome(&self.stage.ground, &rows, &self.control).await?;
        let mut view = self.lock_view();
        if was_over {
            view.actors = board::actors(&self.actors, view.script.story, &Waits::new());
        }
        view.rows = rows;
        view.locks.clear();
        view.outcome = Some(outcome);
        Ok(())
    }

    async fn watch_clock(self: Arc<Self>) {
        let mut touched = self.touched.subscribe();
        loop {
            touched.borrow_and_update();
            tokio::select! {
                () = self.until_ended() => return,
                _ = touched.changed() => {}
                () = tokio::time::sleep_until(self.time_is_up()) => {
                    let mut tasks = self.turn.lock().await;
                    // Unless a step was under way.
                    if self.time_is_up() <= Instant::now() {
                        let why = "Nobody took a step for as long as a session waits, so what was open was rolled back.";
                        let standing = Standing::RolledBack(why.to_owned());
                        return self.end_in_turn(standing, &mut tasks).await;
                    }
                }
            }
        }
    }

    fn time_is_up(&self) -> Instant {
        let idle = *self.touched.borrow() + self.limits.idle;
        idle.min(self.born + self.limits.lifetime)
    }

    fn tell(&self) {
        self.news
            .send_modify(|rings| *rings = rings.wrapping_add(1));
    }

    fn lock_view(&self) -> MutexGuard<'_, StepperView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_now(sentence: &str) -> ShopError {
    ShopError::NotNow(sentence.to_owned())
}

/// The lanes of a session, as a run would plan them: one a product, unguarded if anybody at it is.
fn plan(script: &Script) -> SimulationPlan {
    let strategies = script.roles().into_iter().filter_map(|role| match role {
        Role::Buyer(seat) => Some(seat.strategy),
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
