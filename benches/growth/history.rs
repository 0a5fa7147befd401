//! Makes the orders of the old database with the shop's own purchase code.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use doorbuster::{
    db::dialect,
    model::{ShopError, StrategyKey, digit_groups::group_digits},
    shop::Shop,
};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;

use crate::{
    Failure,
    buyers::{self, per_second},
    database::{Database, Postgres, connect_once},
    options::Options,
};

/// The fastest strategy.
const STRATEGY: StrategyKey = StrategyKey::MicroBatch;
const BUYERS: u32 = 512;
/// Orders between two stock-takes, and between two rounds of the continuous audit: far fewer than
/// the units of one product.
const ORDERS_AT_ONCE: u64 = 250_000;
/// The first products of the catalogue. Some are not for sale to unknown callers.
const PRODUCTS: std::ops::RangeInclusive<i64> = 1..=20;

impl Postgres {
    /// Returns the old database with at least as many orders as the options ask for, without
    /// expired keys, audited and vacuumed.
    pub async fn old(&self, options: &Options) -> Result<Database, Failure> {
        let old = self.kept().await?;
        make(&old, options.orders).await?;
        old.delete_expired_keys().await?;
        self.settle(&old).await?;
        Ok(old)
    }
}

/// Adds orders until the database has as many as `wanted`.
async fn make(database: &Database, wanted: u64) -> Result<(), Failure> {
    let mut existing = count(database).await?;
    if existing >= wanted {
        return Ok(());
    }
    let start = Instant::now();
    let products = Arc::<[i64]>::from(sold_products(database).await?);
    while existing < wanted {
        let orders = (wanted - existing).min(ORDERS_AT_ONCE);
        let rate = add(database, &products, orders).await?;
        database.audit().await?;
        existing += orders;
        eprintln!(
            "growth: {} of {} orders ({} per second) after {} s",
            group_digits(&existing.to_string()),
            group_digits(&wanted.to_string()),
            group_digits(&format!("{rate:.0}")),
            start.elapsed().as_secs()
        );
    }
    Ok(())
}

/// Counts the orders.
async fn count(database: &Database) -> Result<u64, Failure> {
    let connection = connect_once(&database.url).await?;
    let sql = dialect::statement("SELECT count(*) FROM customer_order", []);
    let row = connection.query_one_raw(sql).await;
    connection.close().await?;
    let orders: i64 = row?.ok_or("a count without a row")?.try_get_by_index(0)?;
    Ok(orders.unsigned_abs())
}

/// Returns the products that the shop sells to unknown callers, by buying one unit of each.
async fn sold_products(database: &Database) -> Result<Vec<i64>, Failure> {
    let (db, shop) = buyers::open_shop(database).await?;
    let mut sold = Vec::new();
    for product_id in PRODUCTS {
        buyers::restock(&shop, product_id).await?;
        if buyers::buy(&shop, STRATEGY, product_id).await.is_ok() {
            sold.push(product_id);
        }
    }
    drop(shop);
    db.close().await;
    if sold.is_empty() {
        return Err("the shop sells none of its products".into());
    }
    Ok(sold)
}

/// Adds `orders`, evenly over the products. Returns the rate per second.
async fn add(database: &Database, products: &Arc<[i64]>, orders: u64) -> Result<f64, Failure> {
    let (db, shop) = buyers::open_shop(database).await?;
    for &product_id in products.iter() {
        buyers::restock(&shop, product_id).await?;
    }
    let (next, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tasks = JoinSet::new();
    for _ in 0..BUYERS {
        tasks.spawn(buy_until_made(
            shop.clone(),
            Arc::clone(products),
            Arc::clone(&next),
            orders,
        ));
    }
    drop(shop);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let rate = per_second(orders, start.elapsed());
    db.close().await;
    Ok(rate)
}

async fn buy_until_made(
    shop: Shop,
    products: Arc<[i64]>,
    next: Arc<AtomicU64>,
    orders: u64,
) -> Result<(), ShopError> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= orders {
            return Ok(());
        }
        let turn = usize::try_from(number).unwrap_or(0) % products.len();
        buyers::buy_without_key(&shop, STRATEGY, products[turn]).await?;
    }
}
