//! Buyers on the three nodes of a Galera cluster: whatever happens to one of them, nothing is
//! oversold or undersold, and no acknowledged order is lost.
//!
//! A conflict between two nodes is found when the second transaction commits: row locks and named
//! locks are valid on one node.

mod cluster;
mod locks;
mod writers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use doorbuster::{
    db::{PoolSettings, connect, engine},
    feed::Feed,
    model::{ShopError, StrategyKey},
    shop::Shop,
};
use tokio::task::JoinSet;

use self::cluster::{Cluster, NODES};
use crate::{
    crash::strategies::{check_stored, order_of, safe},
    support::{
        PATIENCE, TestProduct, TestShop, check_audit_clean, database::ByHand, program::run,
        shop::POOL, within,
    },
};

/// Each buys once by each strategy.
const BUYERS: usize = 1_000;
/// The units of each strategy's product.
const STOCK: i64 = 100;
/// The longest time that all purchases may take on a machine that is busy with other tests.
const SALE_MAX: Duration = Duration::from_secs(900);
const BUYERS_POOL: PoolSettings = PoolSettings {
    transactions_max: 12,
    ..POOL
};

/// The shop's product of each strategy.
type Products = Vec<(StrategyKey, TestProduct)>;

/// A shop on each node of a cluster, whose database the test's own shop on the first node created.
struct Servers {
    cluster: Cluster,
    shop: TestShop,
    nodes: Vec<Shop>,
    products: Products,
}

impl Servers {
    async fn start() -> Self {
        // An internal error names only its incident, which the log explains.
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(tracing::Level::ERROR)
            .try_init()
            .ok();
        let cluster = Cluster::start().await;
        let shop = TestShop::new().await;
        let mut products = Vec::new();
        // Redis in front of the row decides nothing that the nodes could disagree about.
        for strategy in safe()
            .into_iter()
            .filter(|strategy| !strategy.row().needs_redis)
        {
            products.push((strategy, shop.with_stock_for(strategy, STOCK).await));
        }
        let mut nodes = Vec::new();
        for node in 0..NODES {
            let url = cluster.url(node, shop.database.url());
            cluster.until_current(&url).await;
            let db = doorbuster::db::Db::connect(&url, BUYERS_POOL).await;
            let node = Shop::new(db.expect("the node answers"), Feed::default());
            nodes.push(node.with_deadline(PATIENCE));
        }
        Self {
            cluster,
            shop,
            nodes,
            products,
        }
    }

    /// Lets all buyers buy, a third of them on each node, and runs `fault` after a third of the
    /// units was sold.
    async fn sell(&self, fault: impl AsyncFnOnce()) {
        let sold = Arc::new(AtomicUsize::new(0));
        let mut buyers = JoinSet::new();
        for buyer in 0..BUYERS {
            let (nodes, products) = (self.nodes.clone(), self.products.clone());
            let sold = Arc::clone(&sold);
            buyers.spawn(async move {
                let (mut orders, mut at) = (Vec::new(), buyer);
                for (strategy, product) in &products {
                    let key = format!("{strategy}-buyer-{buyer}");
                    let order = buy(&nodes, &mut at, *strategy, product, &key).await;
                    sold.fetch_add(usize::from(order.is_some()), Ordering::Relaxed);
                    orders.extend(order);
                }
                orders
            });
        }
        let units = self.products.len() * usize::try_from(STOCK).expect("small");
        within(SALE_MAX, "a third of the units", async {
            while sold.load(Ordering::Relaxed) < units / 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        fault().await;
        let orders = within(SALE_MAX, "the buyers", buyers.join_all()).await;
        self.check_sold(&orders.concat()).await;
    }

    /// Checks that the acknowledged orders are those that are stored, and that every unit was sold
    /// once.
    async fn check_sold(&self, orders: &[String]) {
        check_stored(&self.shop.by_hand, orders).await;
        let acknowledged = i64::try_from(orders.len()).expect("small");
        assert_eq!(self.shop.count("customer_order").await, acknowledged);
        for (strategy, product) in &self.products {
            let level = self.shop.level(product).await;
            assert_eq!((level.available, level.sold), (0, STOCK), "{strategy}");
            let ordered = self.shop.units_ordered(product).await;
            assert_eq!(ordered, STOCK, "{strategy}");
        }
        check_audit_clean(&self.shop).await;
    }

    /// Checks that a node has every order that the first one has.
    async fn check_has_all_orders(&self, node: usize) {
        let url = self.cluster.url(node, self.shop.database.url());
        self.cluster.until_current(&url).await;
        let here = ByHand::new(&url).await;
        let orders: i64 = here.value("SELECT count(*) FROM customer_order").await;
        assert_eq!(orders, self.shop.count("customer_order").await);
    }
}

/// Buys until the shop sells or rejects, with one key, on one node after the other: on the node
/// `at` for as long as it answers, so that each buyer learns only once that a node is gone. Returns
/// the order.
async fn buy(
    nodes: &[Shop],
    at: &mut usize,
    strategy: StrategyKey,
    product: &TestProduct,
    key: &str,
) -> Option<String> {
    loop {
        match order_of(&nodes[*at % nodes.len()], strategy, product, key).await {
            Ok(order) => return Some(order),
            Err(ShopError::InsufficientStock { .. }) => return None,
            Err(
                ShopError::Unavailable { .. }
                | ShopError::OutcomeUnknown { .. }
                | ShopError::Busy { .. }
                | ShopError::QueueFull { .. },
            ) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{strategy}: {other:?}"),
        }
        *at += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn three_nodes_sell_exactly_the_stock() {
    let servers = Servers::start().await;
    servers.sell(async || {}).await;
    for node in 1..NODES {
        servers.check_has_all_orders(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn a_killed_node_costs_no_acknowledged_order() {
    let servers = Servers::start().await;
    servers.sell(async || servers.cluster.kill(2).await).await;
    servers.cluster.start_killed_nodes().await;
    servers.check_has_all_orders(1).await;
    servers.check_has_all_orders(2).await;
}

/// The buyers of the node that is cut off go to the others. It sells nothing itself until it has
/// joined them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn a_node_without_the_majority_sells_nothing() {
    let servers = Servers::start().await;
    let product = servers.shop.with_product(5).await;
    let url = servers.cluster.url(2, servers.shop.database.url());
    let without_majority = async || {
        servers.cluster.isolate(2, true).await;
        for (strategy, lane) in &servers.products {
            let refused = order_of(&servers.nodes[2], *strategy, lane, "a-key-without-majority");
            let refused = refused.await.expect_err("no majority");
            // A product that has just been sold out is rejected from memory.
            assert!(
                matches!(
                    refused,
                    ShopError::Unavailable { .. }
                        | ShopError::OutcomeUnknown { .. }
                        | ShopError::InsufficientStock { .. }
                ),
                "{strategy}: {refused:?}"
            );
        }
        let by_hand = ByHand::new(&url).await;
        let error = by_hand.try_run("UPDATE stock SET sold = sold + 1").await;
        let error = error.expect_err("no majority");
        assert_eq!(engine::error_code(&error).as_deref(), Some("1047"));
        assert!(engine::is_unavailable(&error) && !engine::is_retryable(&error));
        check_not_started(&url).await;
    };
    servers.sell(without_majority).await;
    servers.cluster.isolate(2, false).await;
    servers.check_has_all_orders(2).await;
    let sold = order_of(
        &servers.nodes[2],
        StrategyKey::RowLock,
        &product,
        "afterwards",
    );
    sold.await.expect("it sells again");
    check_audit_clean(&servers.shop).await;
}

/// Checks that a server and a pool are refused with a sentence that names the node.
async fn check_not_started(url: &str) {
    let refused = connect::ensure_database(url).await.expect_err("not synced");
    assert!(
        matches!(&refused, connect::ConnectError::NotSynced { node, .. } if node == "node3"),
        "{refused:?}"
    );
    let ended = within(PATIENCE, "the server's end", run(Some(url), &["serve"])).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("is the node node3 of a cluster") && !ended.stderr.contains("panic"),
        "{}",
        ended.stderr
    );
}
