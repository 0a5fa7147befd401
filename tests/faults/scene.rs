//! The servers of a run: a database of its own, a Redis of its own if one is installed, a proxy
//! between the shop's server and its database, and the server.

use std::process::Command;

use doorbuster::{db::engine::Engine, http_client, model::StrategyKey};
use reqwest::Client;
use tokio::task::JoinSet;

use super::{held::Held, market::Market, metrics::Scrape, watch};
use crate::{
    crash::{own_database::OwnDatabase, program::ServerRunner, strategies::safe},
    support::{
        TestProduct, TestShop, database::ByHand, port::ReservedPort, proxy::Proxy, redis::TestRedis,
    },
};

/// More than all buyers of a run can buy.
const STOCK: i64 = 20_000;

/// The products beside those of the strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Shoppers buy it with a card.
    PaidByCard,
    /// Only faults use it.
    Spare,
}

pub struct Scene {
    shop: TestShop,
    pub market: Market,
    /// What the clients of the current fault still do.
    pub clients: JoinSet<()>,
    /// A product for each safe strategy.
    pub products: Vec<(StrategyKey, TestProduct)>,
    others: [TestProduct; 2],
    pub metrics_url: String,
    _metrics_port: ReservedPort,
    pub http: Client,
    pub runner: ServerRunner,
    pub proxy: Proxy,
    pub redis: Option<TestRedis>,
    pub held: Held,
    /// The name and version of the engine.
    pub engine_name: String,
    // The last field: the shop's last audit still needs it.
    pub database: OwnDatabase,
}

impl Scene {
    /// Starts all servers on this database.
    pub async fn on(database: OwnDatabase) -> Self {
        let shop = TestShop::on_own_server(database.url()).await;
        // It is audited after each fault.
        shop.without_final_audit();
        let mut products = Vec::new();
        for strategy in safe() {
            products.push((strategy, shop.with_stock_for(strategy, STOCK).await));
        }
        let others = [
            shop.with_product(STOCK).await,
            shop.with_product(STOCK).await,
        ];
        let proxy = Proxy::before(database.url()).await;
        let redis = TestRedis::start_durable();
        let metrics = ReservedPort::reserve();
        // Limits per address would refuse the shoppers, who all have this machine's.
        let mut runner = ServerRunner::new(proxy.url())
            .with_setting("METRICS_ADDR", metrics.address().to_string())
            .with_setting("NEW_CARTS_PER_MINUTE", "0".to_owned())
            .with_setting("UNPAID_PAUSE_S", "0".to_owned())
            .with_setting("ADDRESS_UNPAID_MAX", "0".to_owned());
        if let Some(redis) = &redis {
            runner = runner.with_redis(redis.url());
        }
        let url = runner.start(None);
        assert!(runner.is_ready(&url).await, "{}", runner.log_text());
        Self {
            engine_name: engine_name(&ByHand::new(database.url()).await).await,
            shop,
            market: Market::at(url),
            clients: JoinSet::new(),
            products,
            others,
            metrics_url: format!("http://{}/metrics", metrics.address()),
            _metrics_port: metrics,
            http: http_client::builder().no_proxy().build().expect("a client"),
            runner,
            proxy,
            redis,
            held: Held::default(),
            database,
        }
    }

    pub fn engine(&self) -> Engine {
        self.shop.db().engine()
    }

    pub fn product(&self, product: Product) -> &TestProduct {
        match product {
            Product::PaidByCard => &self.others[0],
            Product::Spare => &self.others[1],
        }
    }

    /// The shop, for what a check reads.
    pub fn shop(&self) -> &TestShop {
        &self.shop
    }

    /// Opens a connection to the database that does not pass through the proxy.
    pub async fn by_hand(&self) -> ByHand {
        ByHand::new(self.database.url()).await
    }

    /// Reads the metrics of the server; `None` if it does not answer.
    pub async fn scrape(&self) -> Option<Scrape> {
        watch::scrape(&self.http, &self.metrics_url).await
    }

    /// Kills the server of the shop.
    pub fn kill_server(&mut self) {
        self.runner.kill();
    }

    /// Starts a server, which is killed at `point` if one is given. Its clients go there at once.
    pub fn start_server(&mut self, point: Option<&str>) {
        let url = self.runner.start(point);
        self.market.move_to(url);
    }

    /// Starts a server whose command is changed first. Its clients go there at once.
    pub fn start_changed_server(&mut self, change: impl FnOnce(&mut Command)) {
        let url = self.runner.start_changed(None, change);
        self.market.move_to(url);
    }

    /// Ends what the fault holds, and the disturbances of the network.
    pub async fn release(&mut self) {
        self.held.release().await;
        self.proxy.restore();
        self.proxy.delay(std::time::Duration::ZERO);
    }
}

/// Returns the engine's name and version, as in `PostgreSQL 15.14` or `MariaDB 10.11.6`.
async fn engine_name(by_hand: &ByHand) -> String {
    let version: String = by_hand.value("SELECT version()").await;
    let first = |text: &str| {
        let mut words = text.split([' ', '-']);
        words.next().unwrap_or_default().to_owned()
    };
    match version.strip_prefix("PostgreSQL ") {
        Some(version) => format!("PostgreSQL {}", first(version)),
        None if version.contains("MariaDB") => format!("MariaDB {}", first(&version)),
        None => format!("MySQL {}", first(&version)),
    }
}
