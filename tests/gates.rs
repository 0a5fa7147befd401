//! The gates in Redis: what they promise, and that nothing is oversold, undersold or lost when
//! Redis, a server, or both fail. Skipped, with a line that says so, if no Redis is installed.

mod command;
mod crash;
mod dual_write;
mod gate;
mod holds;
mod lock;
mod outages;
mod reconciliation;
mod stream;
mod stream_failover;
mod stream_keys;
mod stream_kills;
mod stream_losses;

use std::time::Duration;

use doorbuster::{
    model::StrategyKey,
    shop::{
        Shop,
        inventory::{counters::Level, gate::Reservation},
    },
};

use crate::support::{TestProduct, TestShop, redis::TestRedis};

/// Within this time after a failure, gates and rows agree again.
const RECONCILED_WITHIN: Duration = Duration::from_secs(30);

/// The safe strategies that need Redis.
fn safe() -> impl Iterator<Item = StrategyKey> {
    let all = StrategyKey::ALL.into_iter();
    all.filter(|strategy| strategy.is_safe() && strategy.row().needs_redis)
}

/// The shop with gates on this server.
fn on(shop: &TestShop, redis: &TestRedis) -> Shop {
    shop.handle().with_gate(Some(redis.gate()))
}

fn level(available: i64, version: i64) -> Level {
    Level { available, version }
}

fn reservation(product: &TestProduct, units: i64, key: &str) -> Reservation {
    Reservation {
        product_id: product.id,
        units,
        key: key.to_owned(),
    }
}
