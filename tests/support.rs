//! Test support: a database for each test, a shop on it, and helpers that force an interleaving.

pub mod collector;
pub mod database;
pub mod engines;
pub mod port;
pub mod program;
pub mod provider;
pub mod proxy;
pub mod race;
pub mod raw_http;
pub mod redis;
pub mod retries;
pub mod scripted_provider;
pub mod server;
pub mod sessions;
pub mod shared_server;
pub mod shop;
pub mod small_disk;
pub mod tls;
pub mod wire;
pub mod words;

use std::time::Duration;

use doorbuster::{db::txn::Policy, http_client, model::StrategyKey};

pub use database::TestDatabase;
pub use race::{Gate, StockLock};
pub use scripted_provider::ScriptedProvider;
pub use shop::{PlacesOrders, TestProduct, TestShop, administrator, check_audit_clean};

/// The longest time that a test waits for an expected event, on a slow disk and on cores that other
/// tests use, too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The strategies that run here: on the engine of the tests, and those that need Redis only if it
/// is installed.
pub fn strategies() -> impl Iterator<Item = StrategyKey> {
    let engine = server::Server::get().engine();
    let has_redis = redis::can_start();
    let all = StrategyKey::ALL.into_iter();
    all.filter(move |strategy| strategy.check_runs_on(engine, has_redis).is_ok())
}

/// Limits for a transaction of a test, which is no request: its time says nothing about the shop.
pub const fn patient(name: &'static str) -> Policy {
    Policy {
        deadline: PATIENCE,
        ..Policy::request(name)
    }
}

/// Returns a client for requests to the servers of a test.
pub fn http_client() -> reqwest::Client {
    http_client::builder().build().expect("a client")
}

/// Awaits `future`, and fails the test instead of hanging.
#[track_caller]
pub fn within<T>(
    limit: Duration,
    what: &'static str,
    future: impl Future<Output = T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(limit, future).await {
            Ok(value) => value,
            Err(_) => panic!("{what}: nothing after {limit:?} (at {caller})"),
        }
    }
}

/// Returns the seed of a randomized test: `DOORBUSTER_TEST_SEED`, or a new one. It is printed so
/// that a failure can be reproduced.
pub fn seed() -> u64 {
    let seed = std::env::var("DOORBUSTER_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("DOORBUSTER_TEST_SEED={seed}");
    seed
}
