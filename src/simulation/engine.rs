//! Runs a plan: opens its lanes, lets the buyers go, and stores what the database says when they are done.

mod lane;

use std::sync::Arc;

use tokio::sync::{Barrier, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use self::lane::Lane;
use super::{
    buyer::HttpClient,
    live::{LiveRun, LiveRuns},
    sampler::{self, Progress},
    schedule::Schedule,
    stepper::Steppers,
    store::{self, Ground, OpenedRun, Opening},
};
use crate::{
    db::{ConnectError, Db, PoolSettings, txn::TxnError},
    feed::Feed,
    model::{
        LaneSnapshot, LatencyMs, RunSnapshot, RunState, RunVerdict, RunWish, ShopError,
        SimulationPlan,
    },
    payment::gateway::PaymentGateway,
    shop::idempotency::Claim,
};

/// Why a run came to no verdict.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    #[error(transparent)]
    Shop(#[from] ShopError),
    #[error("the simulation's own connections could not be opened: {0}")]
    Connect(#[from] ConnectError),
    #[error("the HTTP client could not be built: {0}")]
    Client(#[from] reqwest::Error),
    #[error("another simulation is running; wait for its verdict")]
    Busy,
}

impl From<TxnError> for SimulationError {
    fn from(error: TxnError) -> Self {
        Self::Shop(error.into())
    }
}

/// Runs plans against one database.
#[derive(Clone, Debug)]
pub struct Engine {
    url: String,
    feed: Feed,
    gateway: Option<Arc<dyn PaymentGateway>>,
    runs: LiveRuns,
    /// One run at a time: two would measure each other.
    turn: Arc<Semaphore>,
    steppers: Steppers,
    watches_locks: bool,
}

/// A run that has begun.
#[derive(Debug)]
pub struct StartedRun {
    pub run: Arc<LiveRun>,
    plan: Arc<SimulationPlan>,
    opened: OpenedRun,
    /// What the buyers queue for: a pool for each lane, or one for all of them in turn.
    buyers_dbs: Vec<Db>,
    /// What the run itself asks and writes with, past that queue.
    control_db: Db,
    /// On which the first lane starts.
    start: Ground,
    _turn: OwnedSemaphorePermit,
}

/// What came of asking for a run.
#[derive(Debug)]
pub enum Start {
    New(Box<StartedRun>),
    /// The key is known: this is the run of the first press.
    Known(uuid::Uuid),
}

impl StartedRun {
    /// The run's id.
    pub fn id(&self) -> uuid::Uuid {
        self.opened.id
    }

    /// Once everybody is sent away, ends what the shop still does for them: a thousand who wait for a lock would hold the verdict up for as
    /// long as they would have waited.
    fn cut_off_once_aborted(&self) -> impl Future<Output = ()> + Send + use<> {
        let (door, buyers_dbs) = (self.run.door(), self.buyers_dbs.clone());
        let control_db = self.control_db.clone();
        async move {
            door.sent_away().await;
            for db in buyers_dbs {
                if let Err(error) = db.cut_off(&control_db).await {
                    tracing::warn!(%error, "the sessions of an aborted run were not ended");
                }
            }
        }
    }

    async fn close_connections(self) {
        for db in self.buyers_dbs {
            db.close().await;
        }
        self.control_db.close().await;
    }
}

impl Engine {
    /// An engine for the database at `url`; what its buyers commit is announced in `feed`.
    pub fn new(url: String, feed: Feed) -> Self {
        Self {
            steppers: Steppers::new(url.clone()),
            url,
            feed,
            gateway: None,
            runs: LiveRuns::default(),
            turn: Arc::new(Semaphore::new(1)),
            watches_locks: true,
        }
    }

    /// The same without the lock watch: what a run is compared with to show that watching it
    /// changes nothing.
    #[must_use]
    pub fn without_lock_watch(self) -> Self {
        Self {
            watches_locks: false,
            ..self
        }
    }

    /// The same with a provider that takes the money of the checkout journey.
    #[must_use]
    pub fn with_gateway(self, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self {
            gateway: Some(gateway),
            ..self
        }
    }

    /// The runs that go on here.
    pub fn runs(&self) -> &LiveRuns {
        &self.runs
    }

    /// The sessions of the stepper here.
    pub fn steppers(&self) -> &Steppers {
        &self.steppers
    }

    /// True while a run goes on here.
    pub fn is_busy(&self) -> bool {
        self.turn.available_permits() == 0
    }

    /// Opens the run and shows it; [`Engine::finish`] then lets the buyers go.
    ///
    /// # Errors
    /// [`SimulationError::Busy`] while another goes on here; a plan out of range; what the database says.
    pub async fn start(&self, plan: SimulationPlan) -> Result<StartedRun, SimulationError> {
        match self.start_once(plan, None).await? {
            Start::New(started) => Ok(*started),
            // Without a key nothing is known.
            Start::Known(_) => Err(SimulationError::Busy),
        }
    }

    /// The same, once for the key.
    ///
    /// # Errors
    /// As [`Engine::start`]; a reused key.
    pub async fn start_once(
        &self,
        plan: SimulationPlan,
        claim: Option<Claim>,
    ) -> Result<Start, SimulationError> {
        let plan = Arc::new(plan.validate()?);
        let turn = Arc::clone(&self.turn)
            .try_acquire_owned()
            .map_err(|_| SimulationError::Busy)?;
        let control_db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let buyers_dbs = self.connect_buyers(&plan).await?;
        let opened = match store::open(&control_db, &plan, claim).await? {
            Opening::New(opened) => opened,
            Opening::Known(id) => return Ok(Start::Known(id)),
        };
        let start = first_ground(&control_db, &opened).await?;
        let run = LiveRun::new(beginning(&plan, &opened, start));
        self.runs.insert(opened.id, Arc::clone(&run));
        Ok(Start::New(Box::new(StartedRun {
            run,
            plan,
            opened,
            buyers_dbs,
            control_db,
            start,
            _turn: turn,
        })))
    }

    async fn connect_buyers(&self, plan: &SimulationPlan) -> Result<Vec<Db>, SimulationError> {
        let settings = PoolSettings {
            transactions_max: plan.pool_size,
            ..PoolSettings::SIMULATION
        };
        let pools = if plan.lanes_together {
            plan.strategies.len()
        } else {
            1
        };
        let mut opened = Vec::with_capacity(pools);
        // Each pool has a name of its own, by which the lock view knows whose sessions are whose.
        let crowd = uuid::Uuid::new_v4().simple().to_string();
        for pool in 0..pools {
            let name = format!("{} {crowd} {pool}", settings.application_name);
            let db = Db::connect_as(&self.url, settings, &name).await?;
            db.warm_up().await?;
            opened.push(db);
        }
        Ok(opened)
    }

    /// Runs the buyers to the end, in this process or, with `targets`, over HTTP, and stores how it ended.
    ///
    /// # Errors
    /// What the database says when it cannot be asked for a verdict.
    pub async fn finish(
        &self,
        started: StartedRun,
        targets: &[url::Url],
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<RunSnapshot, SimulationError> {
        let judged = self.run_lanes(&started, targets, Arc::new(progress)).await;
        let mut end = started.run.snapshot();
        match &judged {
            Ok(()) => {
                end.state = state_at_end(&end, started.run.door().wish());
                let judged = end.lanes.iter().any(|lane| lane.verdict.is_some());
                end.passed = judged.then(|| RunVerdict::of(&end).passed);
            }
            Err(error) => {
                end.state = RunState::Failed;
                end.failure = Some(error.to_string());
            }
        }
        let stored = store::close(&started.control_db, &started.opened, &end).await;
        started.run.finish(end.clone());
        self.runs.remove(started.opened.id);
        started.close_connections().await;
        judged?;
        stored?;
        Ok(end)
    }

    async fn run_lanes(
        &self,
        started: &StartedRun,
        targets: &[url::Url],
        progress: Progress,
    ) -> Result<(), SimulationError> {
        let http = match targets {
            [] => None,
            targets => Some(HttpClient::new(targets)?),
        };
        let schedule = Arc::new(Schedule::of(Arc::clone(&started.plan)));
        let run = Arc::clone(&started.run);
        let beat = sampler::beat(started.control_db.clone(), started.opened.id, run);
        let _beat = AbortOnDropHandle::new(tokio::spawn(beat));
        let _cutting_off = AbortOnDropHandle::new(tokio::spawn(started.cut_off_once_aborted()));
        let lanes = (0..started.opened.lanes.len()).map(|index| Lane {
            engine: self,
            started,
            index,
            schedule: &schedule,
            http: http.as_ref(),
            progress: &progress,
        });
        if started.plan.lanes_together {
            let start_line = Barrier::new(started.opened.lanes.len());
            let together = lanes.map(|lane| lane.run(&start_line));
            futures::future::try_join_all(together).await?;
        } else {
            for lane in lanes {
                if started.run.door().wish().is_end() {
                    break;
                }
                lane.run(&Barrier::new(1)).await?;
            }
        }
        Ok(())
    }
}

async fn first_ground(db: &Db, opened: &OpenedRun) -> Result<Ground, ShopError> {
    match opened.lanes.first() {
        Some(lane) => store::ground(db, lane.product_id, lane.id).await,
        // A plan that was validated has one.
        None => Err(ShopError::UnknownProduct),
    }
}

/// A wish to stop that came when everybody was inside already changed nothing.
fn state_at_end(end: &RunSnapshot, wish: RunWish) -> RunState {
    match wish {
        RunWish::Abort => RunState::Aborted,
        RunWish::Stop if end.served() < end.plan.attempts_in_all() => RunState::Stopped,
        RunWish::Run | RunWish::Pause | RunWish::Stop => RunState::Finished,
    }
}

fn beginning(plan: &SimulationPlan, opened: &OpenedRun, start: Ground) -> RunSnapshot {
    let lanes = opened.lanes.iter().map(|lane| LaneSnapshot {
        strategy: lane.strategy,
        product_name: lane.product_name.clone(),
        stock: start.available,
        samples: Vec::new(),
        latency_ms: LatencyMs::default(),
        verdict: None,
    });
    RunSnapshot {
        id: opened.id.to_string(),
        state: RunState::Running,
        plan: plan.clone(),
        started_at: opened.started_at.clone(),
        lanes: lanes.collect(),
        events: Vec::new(),
        paused_ms: 0,
        passed: None,
        failure: None,
    }
}
