//! Runs a plan: opens its lanes, starts the buyers, and stores the verdict from the database when
//! all buyers have finished.

mod connections;
mod lane;
mod servers;
mod writers;

use std::{ops::ControlFlow, path::PathBuf, sync::Arc};

use tokio::sync::{Barrier, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::{
    connections::{BuyersPool, RunConnections},
    lane::Lane,
    writers::PoolPlan,
};
use super::{
    live::{LiveRegistration, LiveRun, LiveRuns},
    own_servers::{OwnServers, OwnServersError, ServersEnd},
    run_buyers::RunBuyers,
    run_task::{self, RunTask, TaskPanic},
    sampler::{Heartbeat, Progress},
    schedule::Schedule,
    stepper::Steppers,
    store::{self, OpenedRun, RunOpening, StockSnapshot},
};
use crate::{
    db::{ConnectError, Db, PoolSettings, session_lock::SessionLock, txn::TxnError},
    feed::Feed,
    model::{
        DatabaseEngine, LaneSnapshot, LatencyMs, RunCommand, RunSnapshot, RunState, RunVerdict,
        ShopError, SimulationPlan,
    },
    payment::gateway::PaymentGateway,
    shop::{administrator::Administrator, idempotency::Claim, inventory::gate::StockGate, notices},
};

/// The key of the advisory lock that a run holds: an arbitrary number that no other lock uses.
const RUN_LOCK: i64 = 0x7361_6c65;
/// The application name of the session that holds it.
const RUN_LOCK_NAME: &str = "doorbuster run lock";

/// Why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    #[error(transparent)]
    Shop(#[from] ShopError),
    #[error("the simulation's own connections could not be opened: {0}")]
    Connect(#[from] ConnectError),
    #[error("the HTTP client could not be built: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    OwnServers(#[from] OwnServersError),
    #[error("another simulation is running; wait until it ends")]
    Busy,
    #[error(transparent)]
    Panicked(#[from] TaskPanic),
    #[error("the simulation was interrupted before it started")]
    Interrupted,
    #[error(
        "the connection to the cluster was lost for so long that another simulation could start"
    )]
    LockLost,
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
    /// The gates in Redis; `None` without Redis.
    gate: Option<StockGate>,
    runs: LiveRuns,
    /// Allows one run at a time in this process: two would distort each other's measurements. For
    /// the other processes, each run holds a lock of the database.
    run_slot: Arc<Semaphore>,
    steppers: Steppers,
    buyers: RunBuyers,
    watches_locks: bool,
    /// Called when a run has to wait for that of another process; `None` if it does not wait.
    on_wait: Option<fn()>,
    interruption: Option<CancellationToken>,
    /// The program of the servers that a run starts; `None` for the current executable.
    server_program: Option<PathBuf>,
    /// The addresses of the nodes of the database's cluster.
    nodes: Vec<String>,
}

/// A run that has started.
#[derive(Debug)]
pub struct StartedRun {
    pub run: Arc<LiveRun>,
    plan: Arc<SimulationPlan>,
    opened: OpenedRun,
    connections: RunConnections,
    /// The stock with which the first lane starts.
    start: StockSnapshot,
    registration: LiveRegistration,
    /// Held until the last buyer has finished.
    run_lock: Option<SessionLock>,
    run_slot: OwnedSemaphorePermit,
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

    /// Returns the products that were created for the run.
    fn private_products(&self) -> Vec<i64> {
        match self.plan.product_id {
            Some(_) => Vec::new(),
            None => self
                .opened
                .lanes
                .iter()
                .map(|lane| lane.product_id)
                .collect(),
        }
    }

    /// Ends the buyers' database sessions when the run is aborted. Otherwise the verdict would wait
    /// for up to a thousand sessions that wait for a lock. Servers that the run has started are
    /// killed first, because they would open new sessions.
    fn end_sessions_on_abort(
        &self,
        servers: Option<ServersEnd>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (gate, id) = (self.run.arrival_gate(), self.id());
        let buyers_pools = self.connections.buyers_pools.clone();
        let control_db = self.connections.control_db.clone();
        async move {
            gate.aborted().await;
            if let Some(servers) = servers {
                servers.kill_all().await;
                if let Err(error) = store::end_sessions(&control_db, id).await {
                    tracing::warn!(%error, "could not end the database sessions of an aborted run");
                }
            }
            // At once: a node that does not answer must not delay the end on the others.
            let mut ends = Vec::with_capacity(buyers_pools.len());
            for BuyersPool { db, server } in &buyers_pools {
                ends.push(db.terminate_sessions(server));
            }
            for ended in futures::future::join_all(ends).await {
                if let Err(error) = ended {
                    tracing::warn!(%error, "could not end the database sessions of an aborted run");
                }
            }
        }
    }

    /// Closes the run's connections and publishes its end. In this order, an attendee who sees the
    /// end can start the next run.
    async fn end(self, last: RunSnapshot) {
        self.connections.close().await;
        drop(self.run_slot);
        self.run.finish(last);
        drop(self.registration);
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
            gate: None,
            runs: LiveRuns::default(),
            run_slot: Arc::new(Semaphore::new(1)),
            buyers: RunBuyers::default(),
            watches_locks: true,
            on_wait: None,
            interruption: None,
            server_program: None,
            nodes: Vec::new(),
        }
    }

    /// Makes a run wait while another process runs one on the same database, instead of failing
    /// with [`SimulationError::Busy`]. `on_wait` is called when a run begins to wait.
    #[must_use]
    pub fn waiting_for_others(self, on_wait: fn()) -> Self {
        Self {
            on_wait: Some(on_wait),
            ..self
        }
    }

    /// Makes `interruption` abort a run in progress, and end the wait of a run that has not
    /// started.
    #[must_use]
    pub fn interruptible(self, interruption: CancellationToken) -> Self {
        Self {
            interruption: Some(interruption),
            ..self
        }
    }

    /// Sets the program of the servers that a run starts, instead of the current executable.
    #[must_use]
    pub fn with_server_program(self, program: PathBuf) -> Self {
        Self {
            server_program: Some(program),
            ..self
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

    /// Sets the gates in Redis for the strategies that need them.
    #[must_use]
    pub fn with_gate(self, gate: Option<StockGate>) -> Self {
        Self { gate, ..self }
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
    /// [`SimulationError::Busy`] while another run is in progress in this process, or on this
    /// database unless the engine waits; [`SimulationError::Interrupted`];
    /// [`ShopError::FieldsInvalid`] if values of the plan are out of range;
    /// [`ShopError::StrategyUnsafe`] for an unsafe strategy on a shop product;
    /// [`ShopError::StrategyNotOnEngine`]; [`ShopError::StrategyNeedsRedis`].
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
        let (engine, _) = DatabaseEngine::of_url(&self.url)?;
        for strategy in &plan.strategies {
            strategy.check_runs_on(engine, self.gate.is_some())?;
        }
        self.check_writers(&plan, engine)?;
        let run_slot = Arc::clone(&self.run_slot)
            .try_acquire_owned()
            .map_err(|_| SimulationError::Busy)?;
        let run_lock = self.acquire_run_lock().await?;
        let mut start = self.open(plan, claim, run_slot).await;
        match &mut start {
            Ok(RunStart::New(started)) => started.run_lock = Some(run_lock),
            Ok(RunStart::Existing(_)) | Err(_) => run_lock.release().await,
        }
        start
    }

    async fn acquire_run_lock(&self) -> Result<SessionLock, SimulationError> {
        let Some(on_wait) = self.on_wait else {
            let lock = SessionLock::try_acquire(&self.url, RUN_LOCK_NAME, RUN_LOCK).await?;
            return lock.ok_or(SimulationError::Busy);
        };
        let lock = SessionLock::acquire(&self.url, RUN_LOCK_NAME, RUN_LOCK, on_wait);
        let Some(interruption) = &self.interruption else {
            return Ok(lock.await?);
        };
        tokio::select! {
            biased;
            () = interruption.cancelled() => Err(SimulationError::Interrupted),
            lock = lock => Ok(lock?),
        }
    }

    async fn open(
        &self,
        plan: Arc<SimulationPlan>,
        claim: Option<Claim>,
        run_slot: OwnedSemaphorePermit,
    ) -> Result<RunStart, SimulationError> {
        let id = uuid::Uuid::now_v7();
        let control_db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let mut connections = RunConnections::new(control_db);
        let opened = self.open_on(&mut connections, id, &plan, claim).await;
        let (opened, start) = match opened {
            Ok(ControlFlow::Continue(opened)) => opened,
            Ok(ControlFlow::Break(existing)) => {
                connections.close().await;
                return Ok(RunStart::Existing(existing));
            }
            Err(error) => {
                connections.close().await;
                return Err(error);
            }
        };
        let run = LiveRun::new(initial_snapshot(&plan, &opened, start));
        let registration = self.runs.register(opened.id, Arc::clone(&run));
        Ok(RunStart::New(Box::new(StartedRun {
            run,
            plan,
            opened,
            connections,
            start,
            registration,
            run_lock: None,
            run_slot,
        })))
    }

    /// Opens all connections of a run, and stores the run. Breaks with the id of the run that the
    /// idempotency key has started before.
    async fn open_on(
        &self,
        connections: &mut RunConnections,
        id: uuid::Uuid,
        plan: &SimulationPlan,
        claim: Option<Claim>,
    ) -> Result<ControlFlow<uuid::Uuid, (OpenedRun, StockSnapshot)>, SimulationError> {
        self.connect_nodes(plan, connections).await?;
        self.connect_buyers(id, plan, connections).await?;
        let control_db = &connections.control_db;
        let opened = match store::open(control_db, id, plan, claim).await? {
            RunOpening::New(opened) => opened,
            RunOpening::Existing(id) => return Ok(ControlFlow::Break(id)),
        };
        let start = first_stock_snapshot(control_db, &opened).await?;
        Ok(ControlFlow::Continue((opened, start)))
    }

    async fn connect_buyers(
        &self,
        id: uuid::Uuid,
        plan: &SimulationPlan,
        connections: &mut RunConnections,
    ) -> Result<(), SimulationError> {
        let RunConnections {
            control_db,
            nodes,
            buyers_pools,
        } = connections;
        let pools = match plan.own_servers {
            0 if !nodes.is_empty() => writers::pool_plans(plan, nodes),
            0 => {
                let lanes = if plan.lanes_together {
                    plan.lane_count()
                } else {
                    1
                };
                let pool = || PoolPlan {
                    node: None,
                    connections: plan.pool_size,
                };
                std::iter::repeat_with(pool).take(lanes).collect()
            }
            _ => Vec::new(),
        };
        // Each pool has its own application name, by which the lock view finds the sessions of a
        // lane, and maintenance those of a run that was cut off.
        for (pool, plan) in pools.iter().enumerate() {
            let settings = PoolSettings {
                transactions_max: plan.connections,
                ..PoolSettings::SIMULATION
            };
            let name = format!("{}{pool}", store::session_prefix(id));
            let url = plan.node.map_or(&self.url, |node| &node.url);
            let db = Db::connect_as(url, settings, &name).await?;
            buyers_pools.push(BuyersPool {
                db: db.clone(),
                server: plan.node.map_or(&*control_db, |node| &node.db).clone(),
            });
            db.warm_up().await?;
        }
        Ok(())
    }

    /// Runs all buyers, in this process or over HTTP, and stores the final snapshot. Over HTTP,
    /// they buy from the servers that the plan lets the run start or, if there are none, at
    /// `targets`.
    ///
    /// # Errors
    /// Why the run has no verdict; it is then stored as failed, also if one of its tasks panicked.
    pub async fn finish(
        &self,
        mut started: StartedRun,
        targets: &[url::Url],
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<RunSnapshot, SimulationError> {
        let lock_lost = started.run_lock.as_ref().map(SessionLock::lost);
        let lock_lost = lock_lost.unwrap_or_default();
        let reasons = self.interruption.iter().chain([&lock_lost]);
        let _aborts: Vec<_> = reasons
            .map(|reason| abort_when(reason.clone(), Arc::clone(&started.run)))
            .collect();
        let lanes = self.run_lanes(&started, targets, Arc::new(progress));
        let outcome = match run_task::catch("the engine", lanes).await {
            Ok(Ok(())) if lock_lost.is_cancelled() => Err(SimulationError::LockLost),
            Ok(outcome) => outcome,
            Err(panic) => Err(panic.into()),
        };
        // The measurement is over: the run of another process may begin.
        if let Some(run_lock) = started.run_lock.take() {
            run_lock.release().await;
        }
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
        let stored = store::close(&started.connections.control_db, &started.opened, &end).await;
        self.feed.announce_run(started.opened.id);
        notices::send_last(&started.connections.control_db, &self.feed).await;
        self.feed.forget(&started.private_products());
        started.end(end.clone()).await;
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
        let run = Arc::clone(&started.run);
        let heartbeat = Heartbeat {
            db: started.connections.control_db.clone(),
            opened: started.opened.clone(),
            run,
            feed: self.feed.clone(),
        };
        let heartbeat = RunTask::spawn("the heartbeat", heartbeat.write());
        let servers = self.start_servers(started).await?;
        if servers.is_none() && started.plan.own_servers > 0 {
            // The run was aborted before the servers were ready.
            return Ok(());
        }
        let http = servers::http_client(servers.as_ref(), targets)?;
        let schedule = Arc::new(Schedule::of(Arc::clone(&started.plan)));
        let session_end =
            started.end_sessions_on_abort(servers.as_ref().map(OwnServers::end_handle));
        let session_end = RunTask::spawn("the end of the sessions", session_end);
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
        heartbeat.end().await?;
        session_end.end().await?;
        if let Some(servers) = servers {
            servers.stop().await;
        }
        Ok(())
    }
}

/// Aborts a run when `reason` is cancelled: the run was interrupted, or another one could start,
/// and each would measure the other.
fn abort_when(reason: CancellationToken, run: Arc<LiveRun>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        reason.cancelled().await;
        run.apply_command(RunCommand::Abort);
    }))
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
        writers: lane.writers,
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
        name: plan.title(),
        note: String::new(),
        lanes: lanes.collect(),
        events: Vec::new(),
        paused_ms: 0,
        passed: None,
        failure: None,
    }
}
