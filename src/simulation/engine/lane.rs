//! Runs one lane, from its first buyer to its verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Barrier;

use super::{
    Engine, SimulationError, StartedRun,
    connections::BuyersPool,
    writers::{self, ConflictsBefore},
};
use crate::{
    config::ShopTerms,
    db::{Db, PoolSettings, cluster, txn},
    feed::Feed,
    model::{ClusterFigures, RunCommand, ShopError, Verdict, lock_queue::LockScope, plan::Journey},
    shop::{Shop, inventory::InjectionPoint},
    simulation::{
        buyer::{ATTEMPT_DEADLINE, HttpClient, InProcess, OnNodes, OverHttp, Storefront},
        crowd::{self, Crowd},
        lock_watch::{self, LockWatch},
        recorder::{Recorder, UnresolvedAttempt},
        run_task::RunTask,
        sampler::{self, Progress, Sampler},
        schedule::Schedule,
        store::{self, OpenedLane, StockSnapshot},
        verdict::verdict,
        waterfall::WaterfallRecorder,
    },
};

/// How long the end of an aborted lane waits for its transactions and its payments.
const ABORT_MAX: Duration = Duration::from_secs(10);
/// The time between two looks at them.
const ABORT_POLL: Duration = Duration::from_millis(20);

/// One lane of a run.
pub struct Lane<'a> {
    pub engine: &'a Engine,
    pub started: &'a StartedRun,
    /// Which of the run's lanes this is.
    pub index: usize,
    pub schedule: &'a Arc<Schedule>,
    /// The servers to buy from; `None` if the buyers run in this process.
    pub http: Option<&'a HttpClient>,
    pub progress: &'a Progress,
}

impl Lane<'_> {
    /// Starts the buyers when all lanes at `start_line` are ready, and publishes the verdict.
    pub async fn run(self, start_line: &Barrier) -> Result<(), SimulationError> {
        let lane = self.opened();
        let start = self.start().await?;
        store::record_start(self.db(), lane.id, start).await?;
        // The buyers of each node must find their product there.
        writers::wait_for_nodes(&self.started.connections.nodes).await?;
        let conflicts = ConflictsBefore::read(&self.started.connections.nodes).await?;
        let recorder = Arc::new(Recorder::new());
        let storefront = self.storefront();
        let crowd = self.crowd(&recorder, &storefront);
        let waterfall = Arc::clone(&crowd.waterfall);
        let begin = Instant::now();
        self.started.run.start_lane(self.index);
        let sampler = self.sampler(&recorder, &storefront);
        let sampler = RunTask::spawn("the sampler", sampler.start(start.available));
        let lock_watch = self.engine.watches_locks.then(|| {
            let watch = self.lock_watch(&crowd).watch();
            RunTask::spawn("the lock watch", watch)
        });
        let elapsed = crowd.run(start_line).await?;
        let cluster = self.end_on_nodes(conflicts).await?;
        sampler.end().await?;
        if let Some(lock_watch) = lock_watch {
            lock_watch.end().await?;
        }
        lock_watch::finish(
            &self.started.run,
            self.index,
            lane.id,
            self.db(),
            &waterfall,
        )
        .await;
        self.log_failures(&recorder);
        if self.started.run.arrival_gate().command() == RunCommand::Abort {
            self.release_reservations().await?;
        }
        self.resolve_unknown_outcomes(&recorder).await?;
        let end = store::read_stock_snapshot(self.db(), lane.product_id, lane.id).await?;
        let last = sampler::sample(
            &recorder,
            storefront.as_ref(),
            end.available,
            begin.elapsed(),
        );
        let verdict = Verdict {
            cluster,
            ..verdict(
                &self.started.plan,
                lane.strategy,
                (start, end),
                &recorder,
                elapsed,
            )
        };
        self.started.run.record_verdict(self.index, last, verdict);
        (self.progress)(self.started.run.served());
        Ok(())
    }

    /// Reads what happened between the nodes, and waits until the run's own node has everything
    /// that the buyers committed on the others: the verdict counts it there.
    async fn end_on_nodes(
        &self,
        conflicts: ConflictsBefore,
    ) -> Result<Option<ClusterFigures>, ShopError> {
        let nodes = &self.started.connections.nodes;
        if !nodes.is_empty() {
            let current = cluster::wait_until_current(self.db());
            current.await.map_err(txn::read_error)?;
        }
        Ok(conflicts.figures(self.opened().writers, nodes).await)
    }

    fn opened(&self) -> &OpenedLane {
        &self.started.opened.lanes[self.index]
    }

    fn db(&self) -> &Db {
        &self.started.connections.control_db
    }

    /// Returns the stock with which the lane starts. On a product of the shop, a later lane starts
    /// with the stock that the earlier lanes left.
    async fn start(&self) -> Result<StockSnapshot, ShopError> {
        if self.index == 0 {
            return Ok(self.started.start);
        }
        let lane = self.opened();
        let start = store::read_stock_snapshot(self.db(), lane.product_id, lane.id).await?;
        self.started.run.set_stock(self.index, start.available);
        Ok(start)
    }

    fn sampler(&self, recorder: &Arc<Recorder>, storefront: &Arc<dyn Storefront>) -> Sampler {
        Sampler {
            run: Arc::clone(&self.started.run),
            index: self.index,
            lane: self.opened().clone(),
            recorder: Arc::clone(recorder),
            storefront: Arc::clone(storefront),
            db: self.db().clone(),
            progress: Arc::clone(self.progress),
        }
    }

    fn crowd(&self, recorder: &Arc<Recorder>, storefront: &Arc<dyn Storefront>) -> Crowd {
        Crowd {
            secret: self.started.opened.secret,
            lane: self.opened().clone(),
            rounds: self.started.plan.rounds,
            schedule: Arc::clone(self.schedule),
            storefront: Arc::clone(storefront),
            recorder: Arc::clone(recorder),
            gate: self.started.run.arrival_gate(),
            waterfall: Arc::new(WaterfallRecorder::new(self.http.is_none())),
        }
    }

    fn lock_watch(&self, crowd: &Crowd) -> LockWatch {
        let (scope, applications) = self.watched_sessions();
        LockWatch {
            run: Arc::clone(&self.started.run),
            index: self.index,
            product_id: self.opened().product_id,
            db: self.watched_server().clone(),
            applications,
            scope,
            storefront: Arc::clone(&crowd.storefront),
            waterfall: Arc::clone(&crowd.waterfall),
        }
    }

    /// Returns the application names of the sessions that serve the lane's buyers.
    fn watched_sessions(&self) -> (LockScope, Vec<String>) {
        let (run, own_servers) = (self.started.id(), self.started.plan.own_servers);
        if own_servers > 0 {
            let names = (1..=own_servers).map(|server| store::server_session_name(run, server));
            return (LockScope::OwnServers, names.collect());
        }
        if self.http.is_some() {
            let names = vec![PoolSettings::SHOP.application_name.to_owned()];
            return (LockScope::Shops, names);
        }
        let pools = self.buyers_pools().iter();
        let names = pools.map(|pool| pool.db.name().to_owned());
        (LockScope::Lane, names.collect())
    }

    /// Returns the run's connections to the server whose locks are watched: of several nodes, the
    /// first one.
    fn watched_server(&self) -> &Db {
        let first = self.buyers_pools().first();
        first.map_or(self.db(), |pool| &pool.server)
    }

    /// Returns the pools of the lane's buyers: several only if they write to several nodes. A run
    /// that starts servers has none: buyers over HTTP use no pool of this process.
    fn buyers_pools(&self) -> &[BuyersPool] {
        let pools = &self.started.connections.buyers_pools;
        if let Some(writers) = self.opened().writers {
            let nodes = self.started.connections.nodes.len();
            return &pools[writers::pools_of(writers, pools.len(), nodes)];
        }
        match pools.len() {
            0 => &[],
            count => std::slice::from_ref(&pools[self.index % count]),
        }
    }

    /// The feed of what the lane's buyers commit.
    fn feed(&self) -> Feed {
        match self.started.plan.product_id {
            Some(_) => self.engine.feed.clone(),
            None => self.engine.feed.for_private_products(),
        }
    }

    fn storefront(&self) -> Arc<dyn Storefront> {
        if let Some(http) = self.http {
            return Arc::new(OverHttp {
                http: http.clone(),
                strategy: self.opened().strategy,
                secret: self.started.opened.secret,
            });
        }
        let pools = self.buyers_pools().iter();
        let mut nodes: Vec<_> = pools.map(|pool| self.in_process(&pool.db)).collect();
        match (nodes.pop(), nodes.is_empty()) {
            (Some(only), true) => Arc::new(only),
            (last, _) => {
                nodes.extend(last);
                Arc::new(OnNodes(nodes))
            }
        }
    }

    /// Returns the storefront of the buyers who use one pool.
    fn in_process(&self, db: &Db) -> InProcess {
        let (engine, plan) = (self.engine, &self.started.plan);
        let strategy = self.opened().strategy;
        let mut shop = Shop::new(db.clone(), self.feed())
            .with_deadline(ATTEMPT_DEADLINE)
            .with_gate(engine.gate.clone())
            .with_injection_point(InjectionPoint::from_ms(plan.race_window_ms))
            .with_terms(ShopTerms {
                strategy,
                ..ShopTerms::default()
            });
        if let Some(gateway) = &engine.gateway {
            shop = shop.with_gateway(Arc::clone(gateway));
        }
        InProcess {
            shop,
            strategy,
            journey: plan.journey,
            race_window: Duration::from_millis(plan.race_window_ms.into()),
        }
    }

    /// Ends what an abort left behind on a private product: payments whose outcome the buyers did
    /// not wait for, and reservations. Without a server no sweeper would release them.
    async fn release_reservations(&self) -> Result<(), SimulationError> {
        let plan = &self.started.plan;
        if plan.journey != Journey::Checkout || plan.product_id.is_some() {
            return Ok(());
        }
        let (lane, deadline) = (self.opened(), Instant::now() + ABORT_MAX);
        // The abort ends their sessions; until then, a transaction could still reserve.
        let is_in_use = |pool: &BuyersPool| pool.db.transactions_in_use() > 0;
        while self.buyers_pools().iter().any(is_in_use) && Instant::now() < deadline {
            tokio::time::sleep(ABORT_POLL).await;
        }
        let mut shop = Shop::new(self.db().clone(), self.feed());
        if let Some(gateway) = &self.engine.gateway {
            shop = shop.with_gateway(Arc::clone(gateway));
        }
        while store::make_payments_due(self.db(), lane.id).await? > 0 && Instant::now() < deadline {
            shop.payments().resolve_unknown_outcomes().await?;
            tokio::time::sleep(ABORT_POLL).await;
        }
        store::expire_reservations(self.db(), lane.product_id).await?;
        shop.reservations().sweep_expired().await?;
        Ok(())
    }

    fn log_failures(&self, recorder: &Recorder) {
        for sentence in recorder.failures() {
            tracing::warn!(
                run = %self.started.opened.id,
                strategy = %self.opened().strategy,
                sentence,
                "a buyer's attempt failed"
            );
        }
    }

    /// Looks up in the database whether the attempts with an unknown outcome created an order.
    async fn resolve_unknown_outcomes(&self, recorder: &Recorder) -> Result<(), SimulationError> {
        let (secret, lane_id) = (&self.started.opened.secret, self.opened().id);
        let stored = |attempt: &UnresolvedAttempt| crowd::stored_key_of(secret, lane_id, attempt);
        let keys = recorder
            .unresolved()
            .iter()
            .map(stored)
            .collect::<Result<Vec<_>, _>>()?;
        let ordered = store::close_keys(self.db(), keys).await?;
        recorder.resolve(|attempt| stored(attempt).is_ok_and(|key| ordered.contains(&key)));
        Ok(())
    }
}
