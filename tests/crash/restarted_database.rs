//! The database is killed and started again while a run, or a server, goes on selling: neither is
//! started again, and every acknowledged order is stored.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use doorbuster::{
    feed::Feed,
    model::{RunSnapshot, RunState, SimulationPlan, StrategyKey, plan::Arrivals},
    simulation::Engine,
};
use reqwest::Client;
use tokio::task::JoinSet;

use super::{
    own_database::OwnDatabase,
    program::ServerRunner,
    strategies::{BUYERS, BuyerReports, STOCK, buy_on, check_stored, post, product_of, safe},
};
use crate::support::{
    PATIENCE, TestProduct, TestShop, administrator, check_audit_clean, database::ByHand,
    http_client, within,
};

/// How soon a server sells again after its database accepts connections.
const HEALTHY_WITHIN: Duration = Duration::from_secs(2);
/// The same on a machine that is busy with other tests: no figure, only an end.
const HEALTHY_WITHIN_IF_BUSY: Duration = PATIENCE;
/// Set if this process has the machine for itself (`./makew soak`).
const ALONE: &str = "DOORBUSTER_SOAK_SERVERS";
/// Kills of the database under one server; one if the machine has other tests to run.
const KILLS: usize = 3;
/// The longest time that a run may take on a machine that is busy with other tests.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Orders of a run before the kill.
const ORDERS_BEFORE: i64 = 40;
const POLL: Duration = Duration::from_millis(10);

/// Kills the database in the middle of a run of this plan, and checks every lane.
async fn check_run_survives(what: &str, plan: SimulationPlan) {
    // Declared before the shop, because the shop's final audit still needs it.
    let mut database = OwnDatabase::start().await;
    let shop = TestShop::on_own_server(database.url()).await;
    let attempts = plan.total_attempts();
    let engine = Engine::new(database.url().to_owned(), Feed::default())
        .with_gate(shop.gate().cloned())
        .with_server_program(PathBuf::from(env!("CARGO_BIN_EXE_doorbuster")));
    let started = engine.start(&administrator(), plan).await;
    let started = started.expect("the run starts");
    let live = Arc::clone(&started.run);
    let run = tokio::spawn(async move { engine.finish(started, &[], |_| {}).await });
    let selling = async {
        while shop.count("customer_order").await < ORDERS_BEFORE {
            tokio::time::sleep(POLL).await;
        }
    };
    within(PATIENCE * 3, "the first orders", selling).await;
    database.kill().await;
    let (begin, before) = (Instant::now(), live.served());
    assert!(before < attempts, "killed too late");
    database.restart().await;
    let away = begin.elapsed();
    let end = within(RUN_MAX, "the run's end", run).await;
    let end = end.expect("no panic").expect("it has a verdict");
    assert_eq!(end.state, RunState::Finished);
    let by_hand = ByHand::new(database.url()).await;
    for lane in &end.lanes {
        check_lane(
            &format!("{what}, database away for {away:?}"),
            &end,
            lane.strategy,
            &by_hand,
        )
        .await;
    }
    check_audit_clean(&shop).await;
}

/// Compares what the buyers of a lane were answered with the orders in the database.
async fn check_lane(what: &str, end: &RunSnapshot, strategy: StrategyKey, by_hand: &ByHand) {
    let mut lanes = end.lanes.iter();
    let lane = lanes.find(|lane| lane.strategy == strategy);
    let verdict = lane.and_then(|lane| lane.verdict.as_ref());
    let verdict = verdict.expect("the lane has a verdict");
    let orders = format!(
        "SELECT count(*) FROM customer_order o JOIN simulation_lane s ON s.id = o.lane_id \
         WHERE s.run_id = '{}' AND s.strategy = '{strategy}'",
        end.id
    );
    let orders: i64 = by_hand.value(&orders).await;
    eprintln!(
        "{what}, {strategy}: {} of {} attempts succeeded, {} rejected, {} failed; {orders} orders \
         stored; {} oversold, {} undersold",
        verdict.succeeded,
        verdict.attempts,
        verdict.rejected,
        verdict.failed,
        verdict.oversold,
        verdict.undersold
    );
    assert_eq!(i64::try_from(verdict.succeeded), Ok(orders), "{strategy}");
    assert!(verdict.invariants_held(), "{strategy}: {verdict:#?}");
}

/// Five seconds of arrivals in each lane, and all lanes at the same time.
fn plan(strategies: Vec<StrategyKey>, own_servers: u32) -> SimulationPlan {
    SimulationPlan {
        pool_size: SimulationPlan::fitted_pool_size(strategies.len(), true, own_servers),
        strategies,
        lanes_together: true,
        buyers: 75,
        stock: 60,
        arrivals: Arrivals::Open { rate_per_s: 15 },
        own_servers,
        ..SimulationPlan::preset()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_continues_when_its_database_is_killed_and_restarted() {
    check_run_survives("in one process", plan(safe(), 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_on_own_servers_continues_when_its_database_is_killed_and_restarted() {
    let strategies = vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate];
    check_run_survives("on 2 servers", plan(strategies, 2)).await;
}

/// A server whose buyers use every safe strategy.
struct SellingServer {
    client: Client,
    url: String,
    products: Vec<(StrategyKey, TestProduct)>,
}

impl SellingServer {
    /// Lets buyers buy until each of them gets no answer.
    fn start_buyers(&self, kill: usize, reports: &Arc<BuyerReports>) -> JoinSet<()> {
        let mut buyers = JoinSet::new();
        for (strategy, product) in &self.products {
            for buyer in 0..BUYERS {
                let (client, url) = (self.client.clone(), self.url.clone());
                let (strategy, product) = (*strategy, product.clone());
                let ask = move |key: String| {
                    let (client, url, product) = (client.clone(), url.clone(), product.clone());
                    async move { post(&client, &url, strategy, &product, &key).await }
                };
                // Each buyer has keys of its own.
                let buyer = kill * BUYERS + buyer;
                buyers.spawn(buy_on(Arc::clone(reports), strategy, buyer, ask));
            }
        }
        buyers
    }

    async fn answers(&self, path: &str) -> bool {
        let response = self.client.get(format!("{}{path}", self.url)).send().await;
        response.is_ok_and(|response| response.status().is_success())
    }

    /// Returns the moment at which the server can sell again.
    async fn until_ready(&self) -> Instant {
        let ready = async {
            while !(self.answers("/readyz").await && self.answers("/healthz").await) {
                tokio::time::sleep(POLL).await;
            }
        };
        within(PATIENCE * 3, "a ready server", ready).await;
        Instant::now()
    }

    /// Sends a purchase again until it is answered.
    async fn buy_again(&self, strategy: StrategyKey, key: &str) {
        let product = product_of(&self.products, strategy);
        let answered = async {
            while post(&self.client, &self.url, strategy, product, key)
                .await
                .is_none()
            {
                tokio::time::sleep(POLL).await;
            }
        };
        within(PATIENCE, "an answer to a purchase", answered).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_sells_again_soon_after_its_database_and_has_lost_no_order() {
    let mut database = OwnDatabase::start().await;
    let shop = TestShop::on_own_server(database.url()).await;
    let mut products = Vec::new();
    for strategy in safe() {
        products.push((strategy, shop.with_stock_for(strategy, STOCK).await));
    }
    let mut runner = ServerRunner::new(database.url());
    let url = runner.start(None);
    assert!(runner.is_ready(&url).await);
    let server = SellingServer {
        client: http_client(),
        url,
        products,
    };
    let (limit, kills) = match std::env::var_os(ALONE) {
        Some(_) => (HEALTHY_WITHIN, KILLS),
        None => (HEALTHY_WITHIN_IF_BUSY, 1),
    };
    let mut in_all = 0;
    for kill in 0..kills {
        let reports = Arc::new(BuyerReports::default());
        let buyers = server.start_buyers(kill, &reports);
        reports.wait_until_all_sell().await;
        database.kill().await;
        within(PATIENCE * 2, "the buyers' end", buyers.join_all()).await;
        assert!(!server.answers("/readyz").await, "it cannot sell");
        let accepting = async {
            database.restart().await;
            Instant::now()
        };
        let (accepting, ready) = tokio::join!(accepting, server.until_ready());
        let lag = ready.saturating_duration_since(accepting);
        let (orders, keys) = (reports.orders(), reports.keys());
        check_stored(&ByHand::new(database.url()).await, &orders).await;
        // A purchase without an answer has one order, whether it was stored before the kill or not.
        for (strategy, key) in &keys {
            server.buy_again(*strategy, key).await;
        }
        eprintln!(
            "kill {kill}: ready {lag:?} after the database, {} acknowledged orders, all stored, {} \
             purchases without an answer",
            orders.len(),
            keys.len()
        );
        assert!(lag < limit, "{lag:?}");
        in_all += orders.len() + keys.len();
    }
    let by_hand = ByHand::new(database.url()).await;
    let stored: i64 = by_hand.value("SELECT count(*) FROM customer_order").await;
    assert_eq!(usize::try_from(stored), Ok(in_all));
    check_audit_clean(&shop).await;
}
