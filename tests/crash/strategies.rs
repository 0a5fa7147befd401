//! The server, or its database, is killed while every safe strategy sells: every acknowledged order
//! is stored, and the audit is clean.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use doorbuster::{
    feed::Feed,
    model::{ShopError, StrategyKey},
    shop::{Shop, inventory::PurchaseRequest},
    simulation::run_secret::BUYER_HEADER,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{own_database::OwnDatabase, program::ServerRunner};
use crate::support::{
    PATIENCE, TestProduct, TestShop, check_audit_clean,
    database::ByHand,
    http_client,
    shop::{self, units_of},
    strategies, within,
};

/// Buyers of each strategy.
pub const BUYERS: usize = 6;
/// The number of acknowledged orders of each strategy before the kill.
const ACKNOWLEDGED_MIN: usize = 10;
pub const STOCK: i64 = 50_000;

pub fn safe() -> Vec<StrategyKey> {
    strategies().filter(|strategy| strategy.is_safe()).collect()
}

/// The answers that the buyers received, by strategy.
#[derive(Default)]
pub struct BuyerReports {
    /// Public ids of orders.
    acknowledged: Mutex<Vec<(StrategyKey, String)>>,
    /// Keys of purchases that got no answer.
    unanswered: Mutex<Vec<(StrategyKey, String)>>,
    /// True once a fault may come: from then on, a purchase without an answer ends its buyer.
    is_over: AtomicBool,
}

impl BuyerReports {
    fn acknowledge(&self, strategy: StrategyKey, order: String) {
        let mut acknowledged = self.acknowledged.lock().expect("no panic under it");
        acknowledged.push((strategy, order));
    }

    fn miss(&self, strategy: StrategyKey, key: String) {
        let mut unanswered = self.unanswered.lock().expect("no panic under it");
        unanswered.push((strategy, key));
    }

    fn of(&self, strategy: StrategyKey) -> usize {
        let acknowledged = self.acknowledged.lock().expect("no panic under it");
        acknowledged
            .iter()
            .filter(|(of, _)| *of == strategy)
            .count()
    }

    /// Waits until every strategy has sold enough orders, before the fault.
    pub async fn wait_until_all_sell(&self) {
        let deadline = Instant::now() + PATIENCE * 3;
        loop {
            let sold = safe().into_iter().map(|key| (key, self.of(key)));
            let missing: Vec<_> = sold.filter(|(_, sold)| *sold < ACKNOWLEDGED_MIN).collect();
            if missing.is_empty() {
                self.is_over.store(true, Ordering::Relaxed);
                return;
            }
            assert!(
                Instant::now() < deadline,
                "too few orders of {missing:?}; without an answer: {:?}",
                self.keys()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn orders(&self) -> Vec<String> {
        let acknowledged = self.acknowledged.lock().expect("no panic under it");
        acknowledged
            .iter()
            .map(|(_, order)| order.clone())
            .collect()
    }

    pub fn keys(&self) -> Vec<(StrategyKey, String)> {
        self.unanswered.lock().expect("no panic under it").clone()
    }
}

/// Buys repeatedly until a purchase gets no answer after the fault. Before it, a purchase without
/// an answer, as on a busy machine, is sent again: its key makes it one order.
pub async fn buy_on<F>(
    reports: Arc<BuyerReports>,
    strategy: StrategyKey,
    buyer: usize,
    ask: impl Fn(String) -> F,
) where
    F: Future<Output = Option<String>>,
{
    for turn in 0.. {
        let key = format!("{strategy}-buyer-{buyer}-turn-{turn}");
        let order = loop {
            let is_over = reports.is_over.load(Ordering::Relaxed);
            match ask(key.clone()).await {
                None if !is_over => tokio::time::sleep(Duration::from_millis(10)).await,
                answer => break answer,
            }
        };
        match order {
            Some(order) => reports.acknowledge(strategy, order),
            None => return reports.miss(strategy, key),
        }
    }
}

pub async fn check_stored(by_hand: &ByHand, orders: &[String]) {
    for order in orders {
        let stored: i64 = by_hand
            .value(&format!(
                "SELECT count(*) FROM customer_order WHERE public_id = '{order}'"
            ))
            .await;
        assert_eq!(
            stored, 1,
            "order {order} was acknowledged but is not stored"
        );
    }
}

/// Buys one unit, and returns its order. A server that is too busy says that it has bought nothing:
/// then the purchase is sent again.
pub async fn post(
    client: &Client,
    url: &str,
    strategy: StrategyKey,
    product: &TestProduct,
    key: &str,
) -> Option<String> {
    loop {
        let answer = client
            .post(format!("{url}/api/purchase?strategy={strategy}"))
            .header(BUYER_HEADER, product.buyer_token())
            .header("Idempotency-Key", key)
            .json(&json!({ "productId": product.id, "quantity": 1 }))
            .send()
            .await
            .ok()?;
        let status = answer.status();
        let body: Value = answer.json().await.ok()?;
        if status.is_success() {
            let order = body["orderId"].as_str()?.to_owned();
            return match status {
                StatusCode::ACCEPTED => follow(client, url, &order).await,
                _ => Some(order),
            };
        }
        if body["type"] != "/api/problems#busy" {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until a queued order is written, and returns the id of what was sold: another one, if the
/// purchase was sold by the row before the queue decided it. Returns `None` if it is refused, or
/// the server ends.
pub async fn follow(client: &Client, url: &str, order: &str) -> Option<String> {
    loop {
        let answer = client.get(format!("{url}/api/orders/{order}")).send().await;
        let answer = answer.ok()?;
        if answer.status() != StatusCode::ACCEPTED {
            let sold: Value = answer.error_for_status().ok()?.json().await.ok()?;
            return sold["id"].as_str().map(str::to_owned);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_order_of_any_strategy() {
    let shop = TestShop::new().await;
    let mut products = Vec::new();
    for strategy in safe() {
        products.push((strategy, shop.with_stock_for(strategy, STOCK).await));
    }
    let mut runner = ServerRunner::new(shop.database.url());
    let url = runner.start(None);
    assert!(runner.is_ready(&url).await);
    let (reports, client) = (Arc::new(BuyerReports::default()), http_client());
    let mut buyers = JoinSet::new();
    for (strategy, product) in &products {
        for buyer in 0..BUYERS {
            let (client, url) = (client.clone(), url.clone());
            let (strategy, product) = (*strategy, product.clone());
            buyers.spawn(buy_on(Arc::clone(&reports), strategy, buyer, move |key| {
                let (client, url, product) = (client.clone(), url.clone(), product.clone());
                async move { post(&client, &url, strategy, &product, &key).await }
            }));
        }
    }
    reports.wait_until_all_sell().await;
    runner.kill();
    within(PATIENCE, "the buyers' end", buyers.join_all()).await;
    let (orders, keys) = (reports.orders(), reports.keys());
    check_stored(&shop.by_hand, &orders).await;
    check_audit_clean(&shop).await;

    // Purchases without an answer are sent again with the same key, and have one order each.
    let url = runner.start(None);
    assert!(runner.is_ready(&url).await);
    for (strategy, key) in &keys {
        let product = product_of(&products, *strategy);
        let order = post(&client, &url, *strategy, product, key).await;
        assert!(order.is_some(), "{strategy}: {key}");
    }
    let in_all = i64::try_from(orders.len() + keys.len()).expect("small");
    assert_eq!(shop.count("customer_order").await, in_all);
    check_audit_clean(&shop).await;
}

pub fn product_of(products: &[(StrategyKey, TestProduct)], strategy: StrategyKey) -> &TestProduct {
    let found = products.iter().find(|(of, _)| *of == strategy);
    &found.expect("each has one").1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_loses_no_order_of_any_strategy() {
    // Declared before the shop, because the shop's final audit still needs it.
    let mut database = OwnDatabase::start().await;
    let shop = TestShop::on_own_server(database.url()).await;
    let mut products = Vec::new();
    for strategy in safe() {
        products.push((strategy, shop.with_stock_for(strategy, STOCK).await));
    }
    let reports = Arc::new(BuyerReports::default());
    let mut buyers = JoinSet::new();
    for (strategy, product) in &products {
        for buyer in 0..BUYERS {
            let (handle, strategy, product) = (shop.handle(), *strategy, product.clone());
            buyers.spawn(buy_on(Arc::clone(&reports), strategy, buyer, move |key| {
                let (handle, product) = (handle.clone(), product.clone());
                async move { order_of(&handle, strategy, &product, &key).await.ok() }
            }));
        }
    }
    reports.wait_until_all_sell().await;
    database.kill().await;
    within(PATIENCE * 2, "the buyers' end", buyers.join_all()).await;
    database.restart().await;
    let (orders, keys) = (reports.orders(), reports.keys());
    let by_hand = ByHand::new(shop.database.url()).await;
    check_stored(&by_hand, &orders).await;
    check_audit_clean(&shop).await;
    let again = Shop::new(shop.database.pool(shop::POOL).await, Feed::default())
        .with_gate(shop.gate().cloned());
    for (strategy, key) in &keys {
        let product = product_of(&products, *strategy);
        let order = order_of(&again, *strategy, product, key).await;
        assert!(order.is_ok(), "{strategy}: {key}: {order:?}");
    }
    let stored: i64 = by_hand.value("SELECT count(*) FROM customer_order").await;
    assert_eq!(usize::try_from(stored), Ok(orders.len() + keys.len()));
    check_audit_clean(&shop).await;
}

pub async fn order_of(
    shop: &Shop,
    strategy: StrategyKey,
    product: &TestProduct,
    key: &str,
) -> Result<String, ShopError> {
    let request = PurchaseRequest {
        product_id: product.id,
        quantity: units_of(1),
        claim: Some(shop::claim(key, "purchase", &[key])),
        lane_id: product.lane_id(),
    };
    let outcome = shop.purchase(strategy, request).await;
    let receipt = outcome.result.map_err(ShopError::from)?;
    Ok(receipt.order_id)
}
