//! Runs a plan: opens its lane, lets the buyers go all at once, samples the database while they run, and asks it for the verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use super::{
    buyer::{InProcess, Order, OverHttp, Storefront},
    live::{LiveRun, LiveRuns},
    recorder::Recorder,
    store::{self, Ground, OpenedRun, Opening},
    verdict::verdict,
};
use crate::{
    config::ShopTerms,
    db::{ConnectError, Db, PoolSettings, txn::TxnError},
    feed::Feed,
    model::{LatencyMs, RunSnapshot, RunState, Sample, ShopError, SimulationPlan},
    payment::gateway::PaymentGateway,
    shop::{Shop, idempotency::Claim, inventory::Seam},
};

/// Ten points a second.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// Points between two signs of life.
const BEAT_EVERY_SAMPLES: u32 = 10;
/// The longest that one attempt may wait, for a connection or a lock: as long as a run.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(3_600);

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
}

/// A run that has begun.
#[derive(Debug)]
pub struct StartedRun {
    pub run: Arc<LiveRun>,
    opened: OpenedRun,
    /// What the buyers queue for.
    buyers_db: Db,
    /// What the run itself asks and writes with, past that queue.
    control_db: Db,
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
}

impl Engine {
    /// An engine for the database at `url`; what its buyers commit is announced in `feed`.
    pub fn new(url: String, feed: Feed) -> Self {
        Self {
            url,
            feed,
            gateway: None,
            runs: LiveRuns::default(),
            turn: Arc::new(Semaphore::new(1)),
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
        let plan = plan.validate()?;
        let turn = Arc::clone(&self.turn)
            .try_acquire_owned()
            .map_err(|_| SimulationError::Busy)?;
        let control_db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let buyers_db = Db::connect(&self.url, PoolSettings::SIMULATION).await?;
        buyers_db.warm_up().await?;
        let opened = match store::open(&control_db, &plan, claim).await? {
            Opening::New(opened) => opened,
            Opening::Known(id) => return Ok(Start::Known(id)),
        };
        let start = store::ground(&control_db, opened.product_id, opened.lane_id).await?;
        let run = LiveRun::new(RunSnapshot {
            id: opened.id.to_string(),
            state: RunState::Running,
            plan,
            product_name: opened.product_name.clone(),
            stock: start.available,
            started_at: opened.started_at.clone(),
            samples: Vec::new(),
            latency_ms: LatencyMs::default(),
            verdict: None,
            failure: None,
        });
        self.runs.insert(opened.id, Arc::clone(&run));
        Ok(Start::New(Box::new(StartedRun {
            run,
            opened,
            buyers_db,
            control_db,
            start,
            _turn: turn,
        })))
    }

    /// Runs the buyers to the end, in this process or, with `targets`, over HTTP, and stores how it ended.
    ///
    /// # Errors
    /// What the database says when it cannot be asked for the verdict.
    pub async fn finish(
        &self,
        started: StartedRun,
        targets: &[url::Url],
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<RunSnapshot, SimulationError> {
        let mut end = started.run.snapshot();
        let judged = self.run_and_judge(&started, targets, progress).await;
        end.samples = started.run.snapshot().samples;
        match &judged {
            Ok((last, verdict)) => {
                end.samples.push(*last);
                end.state = RunState::Finished;
                end.latency_ms = verdict.latency_ms;
                end.verdict = Some(verdict.clone());
            }
            Err(error) => {
                end.state = RunState::Failed;
                end.failure = Some(error.to_string());
            }
        }
        let stored = store::close(&started.control_db, started.opened.lane_id, &end).await;
        started.run.finish(end.clone());
        self.runs.remove(started.opened.id);
        started.buyers_db.close().await;
        started.control_db.close().await;
        judged?;
        stored?;
        Ok(end)
    }

    async fn run_and_judge(
        &self,
        started: &StartedRun,
        targets: &[url::Url],
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<(Sample, crate::model::Verdict), SimulationError> {
        let plan = started.run.snapshot().plan;
        let storefront = self.storefront(&plan, &started.buyers_db, targets)?;
        let recorder = Arc::new(Recorder::new());
        let begin = Instant::now();
        let sampler = tokio::spawn(sample_until_dropped(
            Arc::clone(&started.run),
            started.control_db.clone(),
            started.opened.clone(),
            Arc::clone(&recorder),
            begin,
            progress,
        ));
        let elapsed = let_buyers_go(&plan, &started.opened, storefront, &recorder).await;
        sampler.abort();
        for sentence in recorder.failures() {
            tracing::warn!(run = %started.opened.id, sentence, "a buyer's attempt failed");
        }
        let end = store::ground(
            &started.control_db,
            started.opened.product_id,
            started.opened.lane_id,
        )
        .await?;
        let last = sample(&recorder, end.available, begin.elapsed());
        Ok((last, verdict(&plan, started.start, end, &recorder, elapsed)))
    }

    fn storefront(
        &self,
        plan: &SimulationPlan,
        db: &Db,
        targets: &[url::Url],
    ) -> Result<Arc<dyn Storefront>, SimulationError> {
        if !targets.is_empty() {
            return Ok(Arc::new(OverHttp::new(targets, plan.strategy)?));
        }
        let mut shop = Shop::new(db.clone(), self.feed.clone())
            .with_deadline(ATTEMPT_DEADLINE)
            .with_seam(Seam::of_ms(plan.race_window_ms))
            .with_terms(ShopTerms {
                strategy: plan.strategy,
                ..ShopTerms::default()
            });
        if let Some(gateway) = &self.gateway {
            shop = shop.with_gateway(Arc::clone(gateway));
        }
        Ok(Arc::new(InProcess {
            shop,
            strategy: plan.strategy,
            journey: plan.journey,
        }))
    }
}

/// One task a buyer, in an order that the seed shuffles, all held back until the last stands ready. Returns the time from the start
/// signal to the last answer.
async fn let_buyers_go(
    plan: &SimulationPlan,
    opened: &OpenedRun,
    storefront: Arc<dyn Storefront>,
    recorder: &Arc<Recorder>,
) -> Duration {
    let mut buyers: Vec<u32> = (0..plan.buyers).collect();
    buyers.shuffle(&mut ChaCha12Rng::seed_from_u64(plan.seed));
    let (go, ready) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for buyer in buyers {
        let (plan, opened) = (plan.clone(), opened.clone());
        let (storefront, recorder) = (Arc::clone(&storefront), Arc::clone(recorder));
        let mut ready = ready.clone();
        tasks.spawn(async move {
            // The sender outlives the buyers; if it were gone, starting at once is right too.
            let _ = ready.wait_for(|go| *go).await;
            for round in 0..plan.rounds {
                let order = Order {
                    product_id: opened.product_id,
                    quantity: plan.quantity,
                    key: format!("{}:{buyer}:{round}", opened.id),
                    lane_id: opened.lane_id,
                };
                recorder.record(storefront.buy(order).await);
            }
        });
    }
    let begin = Instant::now();
    go.send_replace(true);
    tasks.join_all().await;
    begin.elapsed()
}

async fn sample_until_dropped(
    run: Arc<LiveRun>,
    db: Db,
    opened: OpenedRun,
    recorder: Arc<Recorder>,
    begin: Instant,
    progress: impl Fn(u64) + Send + Sync,
) {
    let mut every = SAMPLE_EVERY;
    for point in 1_u32.. {
        // A moment without an answer is a gap in the chart; the verdict is asked for separately.
        if let Ok(remaining) = store::remaining(&db, opened.product_id).await {
            let sample = sample(&recorder, remaining, begin.elapsed());
            if run.push(sample, recorder.latency()) {
                every *= 2;
            }
        }
        progress(recorder.counts().attempts());
        if point % BEAT_EVERY_SAMPLES == 0
            && let Err(error) = store::beat(&db, opened.id).await
        {
            tracing::warn!(%error, run = %opened.id, "the run's sign of life was not written");
        }
        tokio::time::sleep(every).await;
    }
}

fn sample(recorder: &Recorder, remaining: i64, elapsed: Duration) -> Sample {
    let counts = recorder.counts();
    Sample {
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        remaining,
        succeeded: counts.succeeded,
        rejected: counts.rejected,
        failed: counts.failed,
    }
}
