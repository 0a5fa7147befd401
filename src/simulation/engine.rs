//! Runs a plan: opens its lanes, starts the buyers, and stores the verdict from the database when
//! all buyers have finished.

mod lane;

use std::sync::Arc;

use tokio::sync::{Barrier, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use self::lane::Lane;
use super::{
    buyer::HttpClient,
    live::{LiveRun, LiveRuns},
    run_buyers::RunBuyers,
    sampler::{self, Progress},
    schedule::Schedule,
    stepper::Steppers,
    store::{self, OpenedRun, RunOpening, StockSnapshot},
};
use crate::{
    db::{ConnectError, Db, PoolSettings, txn::TxnError},
    feed::Feed,
    model::{
        LaneSnapshot, LatencyMs, RunCommand, RunSnapshot, RunState, RunVerdict, ShopError,
        SimulationPlan,
    },
    payment::gateway::PaymentGateway,
    shop::{administrator::Administrator, idempotency::Claim},
};

/// Why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    #[error(transparent)]
    Shop(#[from] ShopError),
    #[error("the simulation's own connections could not be opened: {0}")]
    Connect(#[from] ConnectError),
    #[error("the HTTP client could not be built: {0}")]
    Client(#[from] reqwest::Error),
    #[error("another simulation is running; wait until it ends")]
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
    /// Allows one run at a time: two would distort each other's measurements.
    run_slot: Arc<Semaphore>,
    steppers: Steppers,
    buyers: RunBuyers,
    watches_locks: bool,
}

/// A run that has started.
#[derive(Debug)]
pub struct StartedRun {
    pub run: Arc<LiveRun>,
    plan: Arc<SimulationPlan>,
    opened: OpenedRun,
    /// The connection pools of the buyers: one for each lane, or one that the lanes use in turn.
    buyers_dbs: Vec<Db>,
    /// The run's own connections, which do not compete with the buyers'.
    control_db: Db,
    /// The stock with which the first lane starts.
    start: StockSnapshot,
    _run_slot: OwnedSemaphorePermit,
}

/// The result of a request to start a run.
#[derive(Debug)]
pub enum RunStart {
    New(Box<StartedRun>),
    /// The idempotency key was used before: the run that it started.
    Existing(uuid::Uuid),
}

impl StartedRun {
    /// Returns the run's id.
    pub fn id(&self) -> uuid::Uuid {
        self.opened.id
    }

    /// Ends the buyers' database sessions when the run is aborted. Otherwise the verdict would wait
    /// for up to a thousand sessions that wait for a lock.
    fn end_sessions_on_abort(&self) -> impl Future<Output = ()> + Send + use<> {
        let (gate, buyers_dbs) = (self.run.arrival_gate(), self.buyers_dbs.clone());
        let control_db = self.control_db.clone();
        async move {
            gate.aborted().await;
            for db in buyers_dbs {
                if let Err(error) = db.terminate_sessions(&control_db).await {
                    tracing::warn!(%error, "could not end the database sessions of an aborted run");
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
    /// An engine for the database at `url`. The buyers' commits are published in `feed`.
    pub fn new(url: String, feed: Feed) -> Self {
        Self {
            steppers: Steppers::new(url.clone()),
            url,
            feed,
            gateway: None,
            runs: LiveRuns::default(),
            run_slot: Arc::new(Semaphore::new(1)),
            buyers: RunBuyers::default(),
            watches_locks: true,
        }
    }

    /// The same without the lock watch. Runs with and without it are compared, to show that
    /// watching a run does not change it.
    #[must_use]
    pub fn without_lock_watch(self) -> Self {
        Self {
            watches_locks: false,
            ..self
        }
    }

    /// Sets the payment gateway for the checkout journey.
    #[must_use]
    pub fn with_gateway(self, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self {
            gateway: Some(gateway),
            ..self
        }
    }

    /// Returns the runs of this process.
    pub fn runs(&self) -> &LiveRuns {
        &self.runs
    }

    /// Returns the stepper sessions of this process.
    pub fn steppers(&self) -> &Steppers {
        &self.steppers
    }

    /// Returns the buyers, of runs of any process, that buy from this process over HTTP.
    pub fn buyers(&self) -> &RunBuyers {
        &self.buyers
    }

    /// Returns true while a run is in progress in this process.
    pub fn is_busy(&self) -> bool {
        self.run_slot.available_permits() == 0
    }

    /// Opens the run and publishes it. [`Engine::finish`] then starts the buyers.
    ///
    /// # Errors
    /// [`SimulationError::Busy`] while another run is in progress in this process;
    /// [`ShopError::FieldsInvalid`] if values of the plan are out of range;
    /// [`ShopError::StrategyUnsafe`] for an unsafe strategy on a shop product.
    pub async fn start(
        &self,
        administrator: &Administrator,
        plan: SimulationPlan,
    ) -> Result<StartedRun, SimulationError> {
        match self.start_once(administrator, plan, None).await? {
            RunStart::New(started) => Ok(*started),
            // Not reached: a start without a key never finds an existing run.
            RunStart::Existing(_) => Err(SimulationError::Busy),
        }
    }

    /// Opens the run like [`Engine::start`], but at most once for each idempotency key.
    ///
    /// # Errors
    /// As [`Engine::start`]; [`ShopError::IdempotencyKeyReused`] if the key belongs to another
    /// request.
    pub async fn start_once(
        &self,
        _: &Administrator,
        plan: SimulationPlan,
        claim: Option<Claim>,
    ) -> Result<RunStart, SimulationError> {
        let plan = Arc::new(plan.validate()?);
        let run_slot = Arc::clone(&self.run_slot)
            .try_acquire_owned()
            .map_err(|_| SimulationError::Busy)?;
        let control_db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let buyers_dbs = self.connect_buyers(&plan).await?;
        let opened = match store::open(&control_db, &plan, claim).await? {
            RunOpening::New(opened) => opened,
            RunOpening::Existing(id) => return Ok(RunStart::Existing(id)),
        };
        let start = first_stock_snapshot(&control_db, &opened).await?;
        let run = LiveRun::new(initial_snapshot(&plan, &opened, start));
        self.runs.insert(opened.id, Arc::clone(&run));
        Ok(RunStart::New(Box::new(StartedRun {
            run,
            plan,
            opened,
            buyers_dbs,
            control_db,
            start,
            _run_slot: run_slot,
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
        // Each pool has its own application name, by which the lock view finds the sessions of a
        // lane.
        let crowd = uuid::Uuid::new_v4().simple().to_string();
        for pool in 0..pools {
            let name = format!("{} {crowd} {pool}", settings.application_name);
            let db = Db::connect_as(&self.url, settings, &name).await?;
            db.warm_up().await?;
            opened.push(db);
        }
        Ok(opened)
    }

    /// Runs all buyers, in this process or over HTTP at `targets`, and stores the final snapshot.
    pub async fn finish(
        &self,
        started: StartedRun,
        targets: &[url::Url],
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<RunSnapshot, SimulationError> {
        let outcome = self.run_lanes(&started, targets, Arc::new(progress)).await;
        let mut end = started.run.snapshot();
        match &outcome {
            Ok(()) => {
                end.state = final_state(&end, started.run.arrival_gate().command());
                let has_verdict = end.lanes.iter().any(|lane| lane.verdict.is_some());
                end.passed = has_verdict.then(|| RunVerdict::of(&end).passed);
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
        outcome?;
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
        let heartbeat = sampler::heartbeat(started.control_db.clone(), started.opened.id, run);
        let _heartbeat = AbortOnDropHandle::new(tokio::spawn(heartbeat));
        let _session_end = AbortOnDropHandle::new(tokio::spawn(started.end_sessions_on_abort()));
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
                if started.run.arrival_gate().command().is_end() {
                    break;
                }
                lane.run(&Barrier::new(1)).await?;
            }
        }
        Ok(())
    }
}

async fn first_stock_snapshot(db: &Db, opened: &OpenedRun) -> Result<StockSnapshot, ShopError> {
    match opened.lanes.first() {
        Some(lane) => store::read_stock_snapshot(db, lane.product_id, lane.id).await,
        // Not reached: a validated plan has at least one lane.
        None => Err(ShopError::UnknownProduct),
    }
}

/// Returns the state of a run that has ended. A stop that arrived after the last attempt had
/// started changed nothing, so that run is finished.
fn final_state(end: &RunSnapshot, command: RunCommand) -> RunState {
    match command {
        RunCommand::Abort => RunState::Aborted,
        RunCommand::Stop if end.served() < end.plan.total_attempts() => RunState::Stopped,
        RunCommand::Run | RunCommand::Pause | RunCommand::Stop => RunState::Finished,
    }
}

fn initial_snapshot(
    plan: &SimulationPlan,
    opened: &OpenedRun,
    start: StockSnapshot,
) -> RunSnapshot {
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
